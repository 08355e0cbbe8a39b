#include <errno.h>
#include <skerry/error.h>
#include <skerry/text.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct skr_error_tag_info tags[SKR_ERROR_TAG_COUNT] = {
#define TAG_INFO(tag, name_, status, exit, title_)                                                                     \
    [SKR_ERROR_##tag] = {.name = (name_), .http_status = (status), .exit_code = (exit), .title = (title_)},
        SKR_ERROR_TAGS(TAG_INFO)
#undef TAG_INFO
};

const struct skr_error_tag_info *skr_error_tag_info(enum skr_error_tag tag)
{
    return &tags[(unsigned)tag < SKR_ERROR_TAG_COUNT ? tag : SKR_ERROR_INTERNAL];
}

static int tag_errno(enum skr_error_tag tag)
{
    switch (tag) {
    case SKR_ERROR_NOT_FOUND:
        return -ENOENT;
    case SKR_ERROR_EXISTS:
        return -EEXIST;
    case SKR_ERROR_IN_USE:
        return -EBUSY;
    case SKR_ERROR_INVALID:
    case SKR_ERROR_REFERENCE:
        return -EINVAL;
    case SKR_ERROR_STORAGE:
        return -ENOSPC;
    case SKR_ERROR_INTERNAL:
        return -EIO;
    default:
        return -EPROTO;
    }
}

/* A text that is cut, here or by a bound of the format, must still be UTF-8, or it could not become JSON. */
__attribute__((format(printf, 3, 0))) static void format_bounded(char *out, size_t size, const char *format,
                                                                 va_list arguments)
{
    vsnprintf(out, size, format, arguments);
    skr_utf8_mend(out);
}

int skr_error_set(struct skr_error *error, enum skr_error_tag tag, const char *format, ...)
{
    if (error) {
        char detail[SKR_ERROR_DETAIL_MAX]; /* the arguments may point into *error */
        va_list arguments;
        va_start(arguments, format);
        format_bounded(detail, sizeof(detail), format, arguments);
        va_end(arguments);
        skr_error_clear(error);
        error->tag = tag;
        memcpy(error->detail, detail, sizeof(detail));
    }
    return tag_errno(tag);
}

/* Keeps the end of `detail` at "... (and N more)". */
static void count_left_out(struct skr_error *error)
{
    char suffix[32];
    size_t length = strlen(error->detail);
    if (error->left_out) {
        size_t old = (size_t)snprintf(suffix, sizeof(suffix), " (and %u more)", error->left_out);
        length -= old <= length ? old : 0;
    }
    error->left_out++;
    size_t size = (size_t)snprintf(suffix, sizeof(suffix), " (and %u more)", error->left_out);
    if (length + size >= sizeof(error->detail)) {
        error->detail[sizeof(error->detail) - 1 - size] = '\0';
        skr_utf8_mend(error->detail);
        length = strlen(error->detail);
    }
    memcpy(error->detail + length, suffix, size + 1);
}

int skr_error_field(struct skr_error *error, const char *pointer, const char *format, ...)
{
    if (!error)
        return -EINVAL;
    if (error->field_count >= SKR_ERROR_FIELDS_MAX) {
        count_left_out(error);
        return -EINVAL;
    }
    struct skr_error_field *field = &error->fields[error->field_count];
    va_list arguments;
    va_start(arguments, format);
    format_bounded(field->detail, sizeof(field->detail), format, arguments);
    va_end(arguments);
    snprintf(field->pointer, sizeof(field->pointer), "%s", pointer);
    skr_utf8_mend(field->pointer);
    error->field_count++;
    if (error->tag == SKR_ERROR_NONE) {
        error->tag = SKR_ERROR_INVALID;
        memcpy(error->detail, field->detail, sizeof(error->detail));
    }
    return -EINVAL;
}

bool skr_error_is_refusal(const struct skr_error *error)
{
    return error->tag != SKR_ERROR_NONE && skr_error_tag_info(error->tag)->http_status < 500;
}

void skr_error_clear(struct skr_error *error)
{
    if (!error)
        return;
    error->tag = SKR_ERROR_NONE;
    error->detail[0] = '\0';
    error->field_count = 0;
    error->left_out = 0;
}
