#include <errno.h>
#include <skerry/error.h>
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

/* What was cut at the end of a buffer must still be UTF-8, or it could not become JSON. */
static void trim_cut_character(char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (length - start + 1 < want)
        text[start - 1] = '\0';
}

__attribute__((format(printf, 3, 0))) static void format_bounded(char *out, size_t size, const char *format,
                                                                 va_list arguments)
{
    int length = vsnprintf(out, size, format, arguments);
    if (length >= (int)size)
        trim_cut_character(out, size - 1);
}

static void copy_bounded(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size);
    memcpy(out, text, length < size ? length + 1 : size);
    if (length < size)
        return;
    out[size - 1] = '\0';
    trim_cut_character(out, size - 1);
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
        length = sizeof(error->detail) - 1 - size;
        trim_cut_character(error->detail, length);
        length = strnlen(error->detail, length);
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
    copy_bounded(field->pointer, sizeof(field->pointer), pointer);
    error->field_count++;
    if (error->tag == SKR_ERROR_NONE) {
        error->tag = SKR_ERROR_INVALID;
        memcpy(error->detail, field->detail, sizeof(error->detail));
    }
    return -EINVAL;
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
