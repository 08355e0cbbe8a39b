/* Where a request ends must not be a matter of opinion: a program that stands between the client and us (nginx,
 * haproxy) has to read the same requests as we do, or one client's bytes become another one's request. RFC 9112,
 * sections 2.2, 3.2, 5 and 6.3. libmicrohttpd's strict mode refuses a part; this file refuses the rest. server.c calls
 * it with the request line, request.c with the headers.
 *
 * libmicrohttpd 0.9.75 hides three things from us: a line that ends in LF alone (which RFC 9112 allows a server to
 * take), a header without a name, which it drops, and a NUL in a header's value, where it cuts the value. None of them
 * changes where the request ends. */
#include "controller/api/http.h"

#include <string.h>
#include <strings.h>

struct framing {
    unsigned hosts, lengths, encodings;
    bool length_is_number, is_chunked;
    const char *bad; /* what is wrong with a header by itself */
};

/* token of RFC 9110, section 5.6.2. */
static bool is_token(const char *text, size_t size)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alphanumeric && (!c || !strchr(others, c)))
            return false;
    }
    return size > 0;
}

static bool is_field_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_number(const char *text, size_t size)
{
    return size > 0 && size <= 18 && strspn(text, "0123456789") == size;
}

static enum MHD_Result look(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value,
                            size_t value_size)
{
    struct framing *framing = arg;
    (void)kind;
    if (!value)
        value = "";
    if (!is_token(key, key_size))
        framing->bad = "a header's name holds what no name may";
    else if (!is_field_value(value, value_size))
        framing->bad = "a header's value holds a control character";
    if (strcasecmp(key, "Host") == 0)
        framing->hosts++;
    if (strcasecmp(key, "Content-Length") == 0) {
        framing->lengths++;
        framing->length_is_number = is_number(value, value_size);
    }
    if (strcasecmp(key, "Transfer-Encoding") == 0) {
        framing->encodings++;
        framing->is_chunked = strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

static const char *judge(const struct framing *framing, const char *version)
{
    if (framing->bad)
        return framing->bad;
    if (framing->hosts != 1)
        return framing->hosts ? "there is more than one Host" : "there is no Host";
    if (framing->lengths && framing->encodings)
        return "Content-Length and Transfer-Encoding exclude each other";
    if (framing->lengths > 1)
        return "there is more than one Content-Length";
    if (framing->lengths && !framing->length_is_number)
        return "Content-Length is no number of bytes";
    if (framing->encodings > 1 || (framing->encodings && !framing->is_chunked))
        return "the only Transfer-Encoding that is taken is chunked, once";
    if (framing->encodings && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        return "Transfer-Encoding belongs to HTTP/1.1";
    if (strcmp(version, MHD_HTTP_VERSION_1_1) != 0 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        return "the version is neither HTTP/1.1 nor HTTP/1.0";
    return NULL;
}

bool skr_http_target_is_good(const char *target)
{
    for (const char *c = target; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return !strstr(target, "%00");
}

int skr_http_judge_framing(struct skr_http_request *request, const char *version, struct skr_error *error)
{
    struct framing framing = {0};
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, look, &framing);
    const char *why = request->peer->bad_target ? "the address holds a blank, a control character or %00"
                                                : judge(&framing, version);
    request->closes = why != NULL;
    return why ? skr_error_set(error, SKR_ERROR_SYNTAX, "This request is not well formed: %s", why) : 0;
}
