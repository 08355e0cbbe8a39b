/* An error says what went wrong, to a person and to a program. A function returns 0 or -errno; where somebody will read
 * the reason it also fills a struct skr_error: a stable tag, one sentence that says what to do, and the fields it
 * concerns. The table behind skr_error_tag_info() is the only place where tags become HTTP statuses and exit codes. Not
 * shared between threads. NULL is accepted wherever a struct skr_error * is taken. */
#pragma once

#include <skerry/macros.h>
#include <stdbool.h>

#define SKR_ERROR_DETAIL_MAX  512
#define SKR_ERROR_POINTER_MAX 128
#define SKR_ERROR_FIELDS_MAX  8

/* tag, name ("type" of problem+json: urn:skerry:error:<name>), HTTP status, exit code of skerryctl, title */
#define SKR_ERROR_TAGS(X)                                                                                              \
    X(NONE, "none", 200, 0, "No error")                                                                                \
    X(SYNTAX, "syntax", 400, 2, "The request is not well formed")                                                      \
    X(UNAUTHENTICATED, "unauthenticated", 401, 5, "Who you are is not known")                                          \
    X(FORBIDDEN, "forbidden", 403, 5, "Your role does not allow this")                                                 \
    X(NOT_FOUND, "not-found", 404, 3, "There is no such object")                                                       \
    X(METHOD, "method-not-allowed", 405, 2, "This address does not take that method")                                  \
    X(TIMEOUT, "timeout", 408, 6, "The request took too long to arrive")                                               \
    X(IN_USE, "in-use", 409, 4, "Something still uses this object")                                                    \
    X(EXISTS, "exists", 409, 4, "There already is such an object")                                                     \
    X(RESTING, "resting", 409, 4, "It was freed and is not free yet")                                                  \
    X(CONFLICT, "conflict", 409, 4, "The state of the object does not allow this")                                     \
    X(LIMIT, "limit", 409, 4, "A named limit is reached")                                                              \
    X(EXHAUSTED, "exhausted", 409, 4, "Nothing is free")                                                               \
    X(NEEDS_CONFIRMATION, "needs_confirmation", 409, 4, "The change must be confirmed")                                \
    X(GONE, "gone", 410, 4, "The history does not reach back that far")                                                \
    X(PRECONDITION_FAILED, "precondition-failed", 412, 4, "The object has changed since you read it")                  \
    X(TOO_LARGE, "too-large", 413, 2, "The request is larger than allowed")                                            \
    X(MEDIA_TYPE, "media-type", 415, 2, "The body has another type than this address takes")                           \
    X(INVALID, "invalid", 422, 2, "A field does not hold what it must")                                                \
    X(REFERENCE, "reference", 422, 3, "A field refers to something that does not exist")                               \
    X(NOT_SUPPORTED, "not-supported", 422, 5, "This is not built yet")                                                 \
    X(PRECONDITION_REQUIRED, "precondition-required", 428, 2, "The request must say which version it changes")         \
    X(TOO_MANY, "too-many-requests", 429, 5, "Too many requests")                                                      \
    X(HEADERS_TOO_LARGE, "headers-too-large", 431, 2, "The headers are larger than allowed")                           \
    X(INTERNAL, "internal", 500, 1, "The controller failed")                                                           \
    X(UNAVAILABLE, "unavailable", 503, 6, "Not ready yet")                                                             \
    X(STORAGE, "storage", 507, 1, "The database cannot take the write")

enum skr_error_tag {
#define SKR_ERROR_ENUM(tag, ...) SKR_ERROR_##tag,
    SKR_ERROR_TAGS(SKR_ERROR_ENUM)
#undef SKR_ERROR_ENUM
            SKR_ERROR_TAG_COUNT
};

struct skr_error_tag_info {
    const char *name;
    int http_status;
    int exit_code;
    const char *title;
};

struct skr_error_field {
    char pointer[SKR_ERROR_POINTER_MAX]; /* JSON pointer (RFC 6901) into the request's body, "" = the body */
    char detail[SKR_ERROR_DETAIL_MAX];
};

struct skr_error {
    enum skr_error_tag tag;
    char detail[SKR_ERROR_DETAIL_MAX];
    unsigned field_count; /* kept in `fields` */
    unsigned left_out;    /* found beyond SKR_ERROR_FIELDS_MAX: only counted, here and at the end of `detail` */
    struct skr_error_field fields[SKR_ERROR_FIELDS_MAX];
};

const struct skr_error_tag_info *skr_error_tag_info(enum skr_error_tag tag);

/* Sets tag and sentence, forgets fields. Returns the -errno that goes with the tag (NOT_FOUND -ENOENT, EXISTS -EEXIST,
 * IN_USE -EBUSY, INVALID and REFERENCE -EINVAL, STORAGE -ENOSPC, INTERNAL -EIO, others -EPROTO), so that a rule can end
 * with `return skr_error_set(...)`. */
int skr_error_set(struct skr_error *error, enum skr_error_tag tag, const char *format, ...) SKR_PRINTF(3, 4);

/* Adds a field; the first one makes the error INVALID when it has no tag yet and copies the sentence to `detail`.
 * Returns -EINVAL. */
int skr_error_field(struct skr_error *error, const char *pointer, const char *format, ...) SKR_PRINTF(3, 4);

/* A rule has refused it; else the program or the database failed, and it says nothing about the objects. */
bool skr_error_is_refusal(const struct skr_error *error);
void skr_error_clear(struct skr_error *error);
