/* A controller of its own for each test of skerryctl, and running skerryctl against it. */
#pragma once

#include <criterion/criterion.h>
#include <skerry/macros.h>
#include <stddef.h>
#include <sys/types.h>

#define OUTPUT_MAX (256 << 10)

/* The output and the errors of the last skerryctl; the folder of the test, and the controller's address. */
extern char out[OUTPUT_MAX], err[OUTPUT_MAX], directory[64], url[96];
extern pid_t controller;
/* Two tenants with the same addresses, as a manifest with ' for ". */
extern const char cloud[];

void open_scene(void);
void close_scene(void);
/* The controller again, with the data and at the address it had. */
void start_controller(void);
/* As that user (0: as this one), with one more flag (NULL: none). */
void start_controller_with(unsigned user, const char *flag);
void end_controller(int signal_number);
/* ctl(), until there is somebody to answer. */
int when_it_answers(const char *words);
pid_t start(const char *out_path, const char *err_path, const char *in_path, char *const *argv);
void read_into(const char *path, char *ret);
/* Runs skerryctl with words split at spaces; what it read, wrote and said is in `out` and `err`. */
int ctl_reading(const char *in, const char *words);
int ctl(const char *format, ...) SKR_PRINTF(1, 2);
int apply(const char *manifest);
/* Runs it on a terminal of 80 columns; what the terminal was sent, both streams, is in `out`. */
int ctl_on_terminal(const char *words);
/* The same, and whenever it asks (its last words are ": ") the next of `answers` is typed, a line each. */
int ctl_answering(const char *answers, const char *words);

#define expect(code, call) cr_expect_eq((call), (code), "%s: out %s err %s", #call, out, err)
