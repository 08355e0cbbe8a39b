/* Files that must survive a power cut: whole content or none. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a whole file of at most `max` bytes into a new buffer with a NUL behind it. -EFBIG when longer. */
int skr_file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_size);
/* Writes `<path>.new`, fsyncs it, renames it over path, fsyncs the directory. Nothing is left behind on failure. */
int skr_file_replace(const char *path, const void *data, size_t size, mode_t mode);
/* After a rename, link or unlink: the directory of that name is on the disk as it is now. */
int skr_file_sync_name(const char *path);
/* mkdir -p with the mode for the last component; an existing directory is fine. */
int skr_directory_make(const char *path, mode_t mode);
/* The directory is this process's alone until *ret_fd is closed, also by its death. -EWOULDBLOCK: another process has
 * it; *ret_holder is that process then, or 0 where the kernel does not tell. Any thread. */
int skr_directory_lock(const char *path, int *ret_fd, pid_t *ret_holder);
