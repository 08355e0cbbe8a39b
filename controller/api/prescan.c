#include "controller/api/http.h"

/* One pass without allocation. Only brackets, separators and strings matter here: whether the text is JSON at all is
 * jansson's to say. */
int skr_json_prescan(const char *text, size_t size, struct skr_error *error)
{
    unsigned depth = 0, tokens = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        switch (c) {
        case '"':
            in_string = true;
            break;
        case '{':
        case '[':
            tokens++;
            if (++depth > SKR_HTTP_DEPTH_MAX)
                return skr_error_set(
                        error, SKR_ERROR_TOO_LARGE,
                        "The body nests deeper than %d levels at byte %zu; no object of this API needs that",
                        SKR_HTTP_DEPTH_MAX, i);
            break;
        case '}':
        case ']':
            if (depth)
                depth--;
            break;
        case ',':
        case ':':
            tokens++;
            break;
        default:
            break;
        }
        if (tokens > SKR_HTTP_TOKENS_MAX)
            return skr_error_set(error, SKR_ERROR_TOO_LARGE,
                                 "The body holds more than %d values; send it in several requests",
                                 SKR_HTTP_TOKENS_MAX);
    }
    return 0;
}
