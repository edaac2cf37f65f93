#include "tests/cost/measured.h"

void zmqloop_cost_measured(void (*function)(void*), void* argument) { function(argument); }
