/* The generated matrix of who may do what: rows of every kind, one's own and somebody else's, put past the rules; a
 * principal of every role; and how answers are judged. Each text that somebody must not see carries a word, and no
 * answer to him may hold it. */
#pragma once

#include "controller/api/http.h"
#include "tests/component/controller/api_client.h"
#include <skerry/resource_fields.h>

enum who { ADMIN, FABRIC, AUDITOR, TENANT, VIEWER, GROUP, NOBODY, WHO_COUNT };
enum side { OWN, FOREIGN, MISSING, SIDE_COUNT };

extern const char *const matrix_role_of[];
extern const char *const matrix_side_names[];
extern struct api_server matrix_server;
extern struct skr_uuid matrix_rows[SKR_RESOURCE_COUNT][2];
extern char matrix_bearer[WHO_COUNT][200];
extern unsigned matrix_leaks, matrix_asked;
extern int64_t matrix_before; /* revision before the rows */

#define EACH_RESOURCE(r)                                                                                               \
    for (int r##_id = 0; r##_id < SKR_RESOURCE_COUNT; r##_id++)                                                        \
        for (const struct skr_resource *r = skr_resource_get((enum skr_resource_id)r##_id); r; r = NULL)

void matrix_set_up(void);
void matrix_tear_down(void);
/* w writes and reads, r reads, - neither: as the table of the matrix says. */
char matrix_access(const struct skr_resource *resource, enum who who);
bool matrix_has(enum skr_resource_id id);
/* Is the row of that side in his sight? */
bool matrix_sees(enum who who, const struct skr_resource *resource, enum side side);
const char *matrix_id(enum skr_resource_id resource, enum side side, char out[static SKR_UUID_TEXT_MAX]);
void matrix_leak(const char *format, ...) SKR_PRINTF(1, 2);
struct api_reply matrix_ask(enum who who, const char *method, const char *path, const char *body);
/* With one more header line. */
struct api_reply matrix_ask_with(enum who who, const char *method, const char *path, const char *body,
                                 const char *header);
/* The text of an answer without the parts that differ by nature. Freed by the caller. */
char *matrix_essence(const struct api_reply *reply, const char *id);
/* No word and no id of what he must not see. */
void matrix_check_words(enum who who, const char *path, const struct api_reply *reply);
void matrix_check_text(enum who who, const char *path, const char *text);
/* A value that the field takes, and a body that creates one with a reference to that side. */
json_t *matrix_sample(const struct skr_field *field, enum side side);
bool matrix_is_writable(const struct skr_field *field, enum skr_role role);
char *matrix_create_with(const struct skr_resource *resource, unsigned reference, enum side side,
                         char id[static SKR_UUID_TEXT_MAX]);
/* Runs as a write past the rules. */
void matrix_write(skr_write_fn *fn, void *arg);
/* Every kind that has rows, parents before what refers to them; returns how many. */
unsigned matrix_order(const struct skr_resource *ret[static SKR_RESOURCE_COUNT]);
