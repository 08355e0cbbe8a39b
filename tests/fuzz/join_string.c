/* rooms: agent/south */
/* An administrator pastes a text after `skerry-agent join`. A text that is taken can be written again and is taken
 * again as the same. */
#include "agent/south/join.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct skr_join_string *string, char *out, size_t size)
{
    char id[SKR_UUID_TEXT_MAX], hash[SKR_TLS_HASH_TEXT_MAX];
    snprintf(out, size, "skerry://%s/%s.%s#%s", string->controller, skr_uuid_format(&string->token_id, id),
             string->secret, skr_tls_hash_format(string->pin, hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skr_join_string first, second, untouched;
    struct skr_error error = {0};
    char *text = strndup((const char *)data, size), again[SKR_JOIN_STRING_MAX], host[256];
    uint16_t port;
    memset(&first, 0xa5, sizeof(first));
    untouched = first;
    if (!text || skr_join_string_parse(text, &first, &error) < 0) {
        if (memcmp(&first, &untouched, sizeof(first)) != 0 || error.tag == SKR_ERROR_NONE)
            abort(); /* refused, but touched or without a reason */
        free(text);
        return 0;
    }
    write_again(&first, again, sizeof(again));
    if (skr_join_string_parse(again, &second, &error) < 0 || strcmp(first.controller, second.controller) != 0 ||
        strcmp(first.secret, second.secret) != 0 || memcmp(first.pin, second.pin, sizeof(first.pin)) != 0 ||
        skr_uuid_compare(&first.token_id, &second.token_id) != 0)
        abort();
    if (skr_controller_split(first.controller, host, &port) < 0 || port == 0 || !*host)
        abort();
    free(text);
    return 0;
}
