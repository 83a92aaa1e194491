#include "CSimdJSON.h"

#include <simdjson.h>
#include <string_view>

using namespace simdjson;

struct bench_scanner {
    ondemand::parser ondemand;
    dom::parser dom;
};

bench_scanner *bench_scanner_make(void) { return new bench_scanner(); }
void bench_scanner_free(bench_scanner *scanner) { delete scanner; }

namespace {

/// A string's raw contents as an offset in the message.
void place(std::string_view token, const char *base, uint32_t *start, uint32_t *count) {
    size_t end = token.rfind('"');
    *start = uint32_t(token.data() - base) + 1;
    *count = end == std::string_view::npos || end == 0 ? 0 : uint32_t(end - 1);
}

error_code read_delta(ondemand::object delta, const char *base, bench_chunk *out) {
    for (auto member : delta) {
        std::string_view key = member.unescaped_key();
        ondemand::value value;
        SIMDJSON_TRY(member.value().get(value));
        if (key == "content") {
            ondemand::json_type type;
            SIMDJSON_TRY(value.type().get(type));
            if (type == ondemand::json_type::string) {
                place(value.raw_json_token(), base, &out->content_start, &out->content_count);
            }
        } else if (key != "role") {
            bool null;
            SIMDJSON_TRY(value.is_null().get(null));
            if (!null) out->is_plain = 0;
        }
    }
    return SUCCESS;
}

error_code read(ondemand::document &document, const char *base, bench_chunk *out) {
    ondemand::object root;
    SIMDJSON_TRY(document.get_object().get(root));
    for (auto member : root) {
        std::string_view key = member.unescaped_key();
        ondemand::value value;
        SIMDJSON_TRY(member.value().get(value));
        if (key == "id") {
            place(value.raw_json_token(), base, &out->id_start, &out->id_count);
        } else if (key == "choices") {
            ondemand::array choices;
            SIMDJSON_TRY(value.get_array().get(choices));
            for (auto element : choices) {
                out->has_choices = 1;
                ondemand::object choice;
                SIMDJSON_TRY(element.get_object().get(choice));
                for (auto part : choice) {
                    std::string_view name = part.unescaped_key();
                    ondemand::value inner;
                    SIMDJSON_TRY(part.value().get(inner));
                    if (name == "delta") {
                        ondemand::object delta;
                        SIMDJSON_TRY(inner.get_object().get(delta));
                        SIMDJSON_TRY(read_delta(delta, base, out));
                    } else if (name == "index") {
                        int64_t index;
                        SIMDJSON_TRY(inner.get_int64().get(index));
                        if (index != 0) out->is_plain = 0;
                    } else if (name != "finish_reason") {
                        bool null;
                        SIMDJSON_TRY(inner.is_null().get(null));
                        if (!null) out->is_plain = 0;
                    }
                }
            }
        }
    }
    return SUCCESS;
}

}  // namespace

int bench_scanner_ondemand(bench_scanner *scanner, const char *bytes, size_t count, size_t capacity, bench_chunk *out) {
    *out = bench_chunk{0, 0, 0, 0, 0, 1};
    ondemand::document document;
    auto error = scanner->ondemand.iterate(bytes, count, capacity).get(document);
    if (error) return error;
    return read(document, bytes, out);
}

int bench_scanner_strict(bench_scanner *scanner, const char *bytes, size_t count, size_t capacity, bench_chunk *out) {
    dom::element element;
    auto error = scanner->dom.parse(bytes, count, false).get(element);
    if (error) return error;
    return bench_scanner_ondemand(scanner, bytes, count, capacity, out);
}
