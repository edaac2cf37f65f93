// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/json_writer.h"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

template <class T>
std::string written(T value) {
  JsonWriter json;
  json.value(value);
  return json.text();
}

TEST(JsonWriter, EscapesWhatAStringMayNotHold) {
  EXPECT_EQ(written(R"(say "hi" \ bye)"), "\"say \\\"hi\\\" \\\\ bye\"\n");
  EXPECT_EQ(written("a\nb\rc\td"), "\"a\\nb\\rc\\td\"\n");
  EXPECT_EQ(written(std::string_view("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\x7f\"\n");
  EXPECT_EQ(written("</script>"), "\"</script>\"\n");
}

TEST(JsonWriter, EscapesKeysLikeValues) {
  JsonWriter json;
  json.begin_object().key("a\"\n").value(1).end_object();
  EXPECT_EQ(json.text(), "{\n  \"a\\\"\\n\": 1\n}\n");
}

TEST(JsonWriter, KeepsUtf8OfEveryLength) {
  const std::string text =
      "\xC2\x80 \xC3\xA9 \xE2\x82\xAC \xED\x9F\xBF \xF0\x9F\x9A\x80 \xF4\x8F\xBF\xBF";
  EXPECT_EQ(written(std::string_view(text)), "\"" + text + "\"\n");
}

TEST(JsonWriter, ReplacesBytesThatAreNoUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(written("a\xFF"
                    "b"),
            "\"a" + bad + "b\"\n");
  EXPECT_EQ(written("\xC3"), "\"" + bad + "\"\n");                                // cut short
  EXPECT_EQ(written("\xE2\x82"), "\"" + bad + bad + "\"\n");                      // cut short
  EXPECT_EQ(written("\xC0\xAF"), "\"" + bad + bad + "\"\n");                      // overlong
  EXPECT_EQ(written("\xE0\x80\xAF"), "\"" + bad + bad + bad + "\"\n");            // overlong
  EXPECT_EQ(written("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"\n");            // surrogate
  EXPECT_EQ(written("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"\n");  // too large
}

TEST(JsonWriter, WritesNumbersThatReadBackTheSame) {
  for (const double number : {0.0, -1.5, 0.1, 1e300, 5e-324, 123456789.123456789, 1.0 / 3}) {
    EXPECT_EQ(std::strtod(written(number).c_str(), nullptr), number);
  }
  EXPECT_EQ(written(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615\n");
  EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808\n");
}

TEST(JsonWriter, WritesNullForWhatIsNoNumber) {
  EXPECT_EQ(written(std::numeric_limits<double>::quiet_NaN()), "null\n");
  EXPECT_EQ(written(std::numeric_limits<double>::infinity()), "null\n");
  EXPECT_EQ(written(-std::numeric_limits<double>::infinity()), "null\n");
}

TEST(JsonWriter, NestsObjectsAndArrays) {
  JsonWriter json;
  json.begin_object();
  json.key("list").begin_array().value(1).value(true).null().value("x").end_array();
  json.key("empty").begin_array().end_array();
  json.key("none").begin_object().end_object();
  json.end_object();
  EXPECT_EQ(json.text(),
            "{\n"
            "  \"list\": [\n"
            "    1,\n"
            "    true,\n"
            "    null,\n"
            "    \"x\"\n"
            "  ],\n"
            "  \"empty\": [],\n"
            "  \"none\": {}\n"
            "}\n");
}

TEST(JsonWriter, RefusesWhatWouldBeNoDocument) {
  EXPECT_THROW(JsonWriter().text(), std::logic_error);
  EXPECT_THROW(JsonWriter().begin_object().text(), std::logic_error);
  EXPECT_THROW(JsonWriter().begin_object().value(1), std::logic_error);
  EXPECT_THROW(JsonWriter().begin_object().key("a").key("b"), std::logic_error);
  EXPECT_THROW(JsonWriter().begin_object().key("a").end_object(), std::logic_error);
  EXPECT_THROW(JsonWriter().begin_object().end_array(), std::logic_error);
  EXPECT_THROW(JsonWriter().begin_array().key("a"), std::logic_error);
  EXPECT_THROW(JsonWriter().value(1).value(2), std::logic_error);
  EXPECT_THROW(JsonWriter().end_object(), std::logic_error);
}

}  // namespace
}  // namespace zmqloop::bench
