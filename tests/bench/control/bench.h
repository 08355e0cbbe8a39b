/* The benchmarks of the control plane share these functions. A failure ends the program, so that a figure is whole or
 * absent. */
#ifndef SKR_BENCH_H
#define SKR_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the program with `what` on stderr unless it is fine. */
void bench_must(bool fine, const char *what);

/* Milliseconds since a reading of skr_clock_monotonic_ns. */
double bench_ms_since(int64_t begun_ns);

/* The value at `share` (0.5: the median) of the sorted values; sorts them. count > 0. */
double bench_quantile(double *values, unsigned count, double share);

/* One connection to the API that stays open. */
struct bench_client;
/* ca_file NULL: the server is this very process, its certificate is not looked at. */
struct bench_client *bench_client_new(const char *ca_file);
void bench_client_free(struct bench_client *client);
/* POST with a body, GET without. The answer's text is the client's, to the next call; *ret_ms (may be NULL) is from the
 * request's first byte to the answer's last. */
const char *bench_client_call(struct bench_client *client, const char *token, const char *url, const char *body,
                              double *ret_ms);

/* A token from its file; free() it. */
char *bench_token(const char *file);

#endif
