/* Requests on which two HTTP programs in a row could disagree where one ends and the next begins (RFC 9112,
 * sections 2.2, 3.2, 5 and 6.3): each is refused with 400, and the connection ends, so that nothing behind it is read.
 * tests/lab/test_proxies.py sends the same rows through proxies. */
#include "tests/component/controller/api_client.h"

#include <criterion/criterion.h>
#include <skerry/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct api_server server;

static void start(void)
{
    api_server_start(&server, NULL, NULL);
}

static void stop(void)
{
    api_server_stop(&server);
}

TestSuite(api_framing, .init = start, .fini = stop);

/* Sends the bytes and reads all until the server ends the connection or has nothing more for half a second. */
static void exchange(const char *bytes, size_t size, char *answer, size_t room, bool *ret_closed)
{
    struct api_raw raw = api_raw_open(&server);
    struct timeval patience = {.tv_usec = 500000};
    size_t got = 0;
    int n;
    setsockopt(raw.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    cr_assert_eq(SSL_write(raw.ssl, bytes, (int)size), (int)size);
    while (got < room - 1 && (n = SSL_read(raw.ssl, answer + got, (int)(room - 1 - got))) > 0)
        got += (size_t)n;
    answer[got] = '\0';
    *ret_closed = SSL_get_error(raw.ssl, n) != SSL_ERROR_WANT_READ;
    api_raw_close(&raw);
}

static unsigned count_of(const char *answer, const char *text)
{
    unsigned count = 0;
    while ((answer = strstr(answer, text))) {
        answer++;
        count++;
    }
    return count;
}

#define NEXT "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

/* A line of smuggled.txt as the bytes that it stands for, with NEXT behind them. */
static size_t unescape(const char *line, char *bytes)
{
    static const char letters[] = "rnt", meant[] = "\r\n\t";
    char *at = bytes;
    while (*line && *line != '\n') {
        const char *letter = *line == '\\' && line[1] ? strchr(letters, line[1]) : NULL;
        if (letter) {
            *at++ = meant[letter - letters];
            line += 2;
        } else if (*line == '\\') {
            unsigned value;
            cr_assert_eq(sscanf(line, "\\x%2x", &value), 1, "%s", line);
            *at++ = (char)value;
            line += 4;
        } else {
            *at++ = *line++;
        }
    }
    memcpy(at, NEXT, sizeof(NEXT));
    return (size_t)(at - bytes) + sizeof(NEXT) - 1;
}

Test(api_framing, what_two_programs_may_read_differently_is_refused)
{
    FILE *rows = fopen(SKR_SOURCE_DIR "/tests/support/smuggled.txt", "r");
    char *line = NULL;
    size_t room = 0;
    unsigned count = 0;
    cr_assert(rows);
    while (getline(&line, &room, rows) > 0) {
        char bytes[1024], answer[16384];
        bool closed;
        cr_assert_lt(strlen(line) + sizeof(NEXT), sizeof(bytes));
        if (*line == '#')
            continue;
        exchange(bytes, unescape(line, bytes), answer, sizeof(answer), &closed);
        cr_expect(closed, "stays open: %s-- %s", line, answer);
        cr_expect_eq(count_of(answer, "HTTP/1.1 200 "), 0, "what is behind it was read: %s-- %s", line, answer);
        cr_expect(!*answer || strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s-- %s", line, answer);
        count++;
    }
    cr_expect_gt(count, 30);
    free(line);
    fclose(rows);
}

/* A chunk of 2^64 + 2 bytes is one of 2 bytes to who counts in 64 bits. */
Test(api_framing, a_chunk_beyond_all_bounds_is_too_large)
{
    static const char bytes[] = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "10000000000000002\r\n{}\r\n0\r\n\r\n" NEXT;
    char answer[16384];
    bool closed;
    exchange(bytes, sizeof(bytes) - 1, answer, sizeof(answer), &closed);
    cr_expect(closed);
    cr_expect(strncmp(answer, "HTTP/1.1 413 ", 13) == 0, "%s", answer);
    cr_expect_eq(count_of(answer, "HTTP/1.1 200 "), 0, "%s", answer);
}

Test(api_framing, requests_in_a_row_are_answered_in_a_row)
{
    static const char good[] = NEXT "GET /healthz HTTP/1.1\r\nHost:\tx \r\nX-Empty:\r\n\r\n"
                                    "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
                                    "2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n" NEXT;
    char answer[16384];
    bool closed;
    exchange(good, sizeof(good) - 1, answer, sizeof(answer), &closed);
    cr_expect_eq(count_of(answer, "HTTP/1.1 200 "), 3, "%s", answer);
    cr_expect_eq(count_of(answer, "HTTP/1.1 "), 4, "%s", answer);
    cr_expect_not(closed);
}
