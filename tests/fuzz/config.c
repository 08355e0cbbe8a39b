/* rooms: lib */
/* A daemon's configuration file; after a NUL, words of its command line. What is taken lies within the bounds of its
 * option; what is refused has a reason and leaves no text behind. */
#include <skerry/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct settings {
    char *name, *path;
    int64_t count, any, wait;
    bool fast;
};
static const struct skr_option options[] = {
        {"main", "name", "name", SKR_OPTION_TEXT, offsetof(struct settings, name), "skerry", 0, 0, "a name"},
        {"main", "path", NULL, SKR_OPTION_TEXT, offsetof(struct settings, path), NULL, 0, 0, "a path"},
        {"main", "count", "count", SKR_OPTION_INTEGER, offsetof(struct settings, count), "3", 1, 100, "a count"},
        {NULL, NULL, "any", SKR_OPTION_INTEGER, offsetof(struct settings, any), NULL, 0, 0, "any number"},
        {"other", "wait", "wait", SKR_OPTION_DURATION, offsetof(struct settings, wait), "2s", 1000, 60000, "a wait"},
        {"other", "fast", "fast", SKR_OPTION_BOOLEAN, offsetof(struct settings, fast), NULL, 0, 0, "a switch"},
};
#define COUNT (sizeof(options) / sizeof(options[0]))

static int split(char *text, size_t size, char **words)
{
    int count = 0;
    for (size_t at = 0; at < size && count < WORDS_MAX; at += strlen(text + at) + 1)
        words[count++] = text + at;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings;
    struct skr_error error = {0};
    char path[32], *words[WORDS_MAX];
    size_t file = strnlen((const char *)data, size), rest = size > file ? size - file - 1 : 0;
    char *line = calloc(1, rest + 1);
    int fd = memfd_create("config", MFD_CLOEXEC), index = 0;
    if (!line || fd < 0 || write(fd, data, file) != (ssize_t)file)
        abort();
    if (rest)
        memcpy(line, data + file + 1, rest);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    memset(&settings, 0xa5, sizeof(settings));
    int argc = split(line, rest, words);
    int r = skr_config_read(options, COUNT, &settings, path, false, argc, words, &index, &error);
    if (index < 0 || index > argc)
        abort();
    if (r < 0 && (error.tag == SKR_ERROR_NONE || settings.name || settings.path))
        abort();
    if (r == 0 &&
        (!settings.name || settings.count < 1 || settings.count > 100 || settings.wait < 1000 || settings.wait > 60000))
        abort();
    if (r == 0)
        skr_config_done(options, COUNT, &settings);
    free(line);
    close(fd);
    return 0;
}
