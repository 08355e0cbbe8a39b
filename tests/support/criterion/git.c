/* Linked into every Criterion binary. Criterion uses libgit2 for one thing: to print how two texts differ. Its start in
 * every test process makes libgit2 parse the certificates of all public authorities, which costs more than most tests
 * do (and LeakSanitizer looks at each of them at the end). These definitions stand before the library's: libgit2 starts
 * with the first text that is compared. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int git_libgit2_init(void);
int git_libgit2_shutdown(void);
/* The arguments of libgit2 1.5's git_diff_buffers(), of which this file only hands the pointers on. */
int git_diff_buffers(const void *old_text, size_t old_size, const char *old_path, const void *new_text, size_t new_size,
                     const char *new_path, const void *options, void *file, void *binary, void *hunk, void *line,
                     void *payload);

typedef int start_fn(void);
typedef int diff_fn(const void *, size_t, const char *, const void *, size_t, const char *, const void *, void *,
                    void *, void *, void *, void *);

static void *library_function(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) {
        fprintf(stderr, "libgit2 has no %s\n", name);
        abort();
    }
    return function;
}

int git_libgit2_init(void)
{
    return 1;
}

int git_libgit2_shutdown(void)
{
    return 0;
}

int git_diff_buffers(const void *old_text, size_t old_size, const char *old_path, const void *new_text, size_t new_size,
                     const char *new_path, const void *options, void *file, void *binary, void *hunk, void *line,
                     void *payload)
{
    static diff_fn *diff;
    if (!diff) {
        start_fn *start = (start_fn *)library_function("git_libgit2_init");
        if (start() < 0)
            return -1;
        diff = (diff_fn *)library_function("git_diff_buffers");
    }
    return diff(old_text, old_size, old_path, new_text, new_size, new_path, options, file, binary, hunk, line, payload);
}
