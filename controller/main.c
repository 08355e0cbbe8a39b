/* skerry-controller: reads its configuration, starts the rooms in order, waits for a signal, stops them in the other
 * order. No rule of the product lives here. */
#include "controller/api/api.h"
#include "controller/installation.h"
#include "controller/jobs/jobs.h"
#include "controller/names.h"
#include "controller/policy/policy.h"
#include "controller/restore.h"
#include "controller/south/south.h"
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <skerry/clock.h>
#include <skerry/config.h>
#include <skerry/file.h>
#include <skerry/log.h>
#include <skerry/tls.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define DEFAULT_CONFIG     "/etc/skerry/controller.conf"
#define UPKEEP_SECONDS     60
#define LOG_ROWS_MAX       2000000
#define RETRIES_PRUNED_MAX 1000

struct settings {
    char *passphrase_file, *config, *data_directory, *api_listen, *agent_listen, *agent_address, *log_level;
    int64_t certificate_lifetime_ms;
    bool initialize, check_database, log_json, help, version;
};

#define AT(member) offsetof(struct settings, member)
static const struct skr_option options[] = {
        {NULL, NULL, "config", SKR_OPTION_TEXT, AT(config), NULL, 0, 0,
         "file to read (" DEFAULT_CONFIG " if it exists)"},
        {"controller", "data_directory", "data-directory", SKR_OPTION_TEXT, AT(data_directory), "/var/lib/skerry", 0, 0,
         "where the database, ca.pem and admin.token are"},
        {"controller", "certificate_lifetime", "certificate-lifetime", SKR_OPTION_DURATION, AT(certificate_lifetime_ms),
         "24h", 1000, 3650LL * 86400000, "of agents; they renew at half of it"},
        {"api", "listen", "api-listen", SKR_OPTION_TEXT, AT(api_listen), "127.0.0.1:8443", 0, 0,
         "address of the REST API"},
        {"agents", "listen", "agent-listen", SKR_OPTION_TEXT, AT(agent_listen), "0.0.0.0:6653", 0, 0,
         "address that agents connect to"},
        {"agents", "address", "agent-address", SKR_OPTION_TEXT, AT(agent_address), NULL, 0, 0,
         "host:port that agents are told (default: from agent-listen)"},
        {"log", "level", "log-level", SKR_OPTION_TEXT, AT(log_level), "info", 0, 0,
         "error, warning, notice, info or debug"},
        {"log", "json", "log-json", SKR_OPTION_BOOLEAN, AT(log_json), NULL, 0, 0, "write JSON lines"},
        {NULL, NULL, "passphrase-file", SKR_OPTION_TEXT, AT(passphrase_file), NULL, 0, 0,
         "restore: file with the backup's passphrase"},
        {NULL, NULL, "initialize", SKR_OPTION_BOOLEAN, AT(initialize), NULL, 0, 0,
         "begin a new installation where the database of an old one is missing"},
        {NULL, NULL, "check-database", SKR_OPTION_BOOLEAN, AT(check_database), NULL, 0, 0,
         "read every page of the database, say whether it is sound, and end"},
        {NULL, NULL, "help", SKR_OPTION_BOOLEAN, AT(help), NULL, 0, 0, "print this"},
        {NULL, NULL, "version", SKR_OPTION_BOOLEAN, AT(version), NULL, 0, 0, "print the version"},
};

struct controller {
    struct settings settings;
    char database[PATH_MAX], authority_file[PATH_MAX], token_file[PATH_MAX], backup_directory[PATH_MAX];
    char *agent_address;
    struct skr_names names;
    struct skr_store *store;
    struct skr_realization_table *realizations;
    struct skr_south *south;
    struct skr_policy *policy;
    _Atomic(struct skr_jobs *) jobs;
    _Atomic(struct skr_api *) api; /* starts last, when the others' changes are already heard */
    atomic_bool ready;
};

/* ---- configuration ---- */

static int read_settings(struct settings *settings, int argc, char **argv, struct skr_error *error)
{
    int index = 1;
    int result = skr_config_read(options, SKR_ARRAY_SIZE(options), settings, NULL, true, argc, argv, &index, error);
    if (result < 0)
        return result;
    if (index < argc)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "'%s' is not a flag; see --help.", argv[index]);
    SKR_CLEANUP(skr_free_cleanup) char *path = strdup(settings->config ? settings->config : DEFAULT_CONFIG);
    bool optional = !settings->config;
    skr_config_done(options, SKR_ARRAY_SIZE(options), settings);
    index = 1;
    return skr_config_read(options, SKR_ARRAY_SIZE(options), settings, path, optional, argc, argv, &index, error);
}

static int path_in(const char *directory, const char *name, char out[static PATH_MAX], struct skr_error *error)
{
    if (snprintf(out, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        return skr_error_set(error, SKR_ERROR_INVALID, "The name of the data directory is too long.");
    return 0;
}

/* The directory may be looked into (ca.pem is for everybody); everything else in it is for this user alone. */
static int prepare_directory(struct controller *controller, struct skr_error *error)
{
    const char *directory = controller->settings.data_directory;
    int result = skr_directory_make(directory, 0755);
    if (result < 0)
        return skr_error_set(error, SKR_ERROR_STORAGE, "The data directory %s cannot be made: %s.", directory,
                             strerrordesc_np(-result));
    umask(0077);
    result = path_in(directory, "skerry.db", controller->database, error);
    if (result == 0)
        result = path_in(directory, "ca.pem", controller->authority_file, error);
    if (result == 0)
        result = path_in(directory, "backups", controller->backup_directory, error);
    return result < 0 ? result : path_in(directory, "admin.token", controller->token_file, error);
}

static int write_text(const char *path, const char *text, mode_t mode, struct skr_error *error)
{
    int result = skr_file_replace(path, text, strlen(text), mode);
    return result < 0 ? skr_error_set(error, SKR_ERROR_STORAGE, "%s cannot be written: %s.", path,
                                      strerrordesc_np(-result))
                      : 0;
}

/* ---- the rooms ---- */

/* One listener for all rooms, in the order that each may rely on: what a watcher reads is not behind the policy. */
static void changed(void *arg, const struct skr_change *changes, size_t count)
{
    struct controller *controller = arg;
    if (controller->policy)
        skr_policy_changes(controller->policy, changes, count);
    if (controller->south)
        skr_south_changes(controller->south, changes, count);
    struct skr_jobs *jobs = atomic_load(&controller->jobs);
    if (jobs)
        skr_jobs_changes(jobs, changes, count);
    struct skr_api *api = atomic_load(&controller->api);
    if (api)
        skr_api_changes(api, changes, count);
}

static void realization_changed(void *arg, const struct skr_realization_change *changes, size_t count)
{
    struct controller *controller = arg;
    struct skr_jobs *jobs = atomic_load(&controller->jobs);
    if (jobs)
        skr_jobs_realizations(jobs, changes, count);
    struct skr_api *api = atomic_load(&controller->api);
    if (api)
        skr_api_realizations(api, changes, count);
}

static int open_store(struct controller *controller, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *evidence = NULL;
    int result = skr_installation_look(controller->settings.data_directory, controller->database,
                                       controller->settings.initialize, &evidence, error);
    if (result < 0)
        return result;
    const struct skr_store_options store = {.path = controller->database, .evidence = evidence};
    result = skr_store_open(&store, &controller->store, error);
    if (result < 0)
        return result;
    skr_store_listen(controller->store, changed, controller);
    return skr_store_write_wait(controller->store, skr_model_bootstrap, NULL, NULL, error);
}

static int make_south(struct controller *controller, struct skr_error *error)
{
    const struct settings *settings = &controller->settings;
    const char *endpoints[] = {settings->api_listen, settings->agent_listen, settings->agent_address};
    skr_names_collect(&controller->names, endpoints, SKR_ARRAY_SIZE(endpoints));
    const struct skr_south_options south = {.listen = settings->agent_listen,
                                            .store = controller->store,
                                            .server_names = (const char *const *)controller->names.names,
                                            .server_name_count = controller->names.count,
                                            .certificate_lifetime_ms = settings->certificate_lifetime_ms};
    int result = skr_south_new(&south, &controller->south, error);
    if (result < 0)
        return result;
    controller->agent_address =
            settings->agent_address ? strdup(settings->agent_address)
                                    : skr_names_reachable(settings->agent_listen, skr_south_port(controller->south));
    return write_text(controller->authority_file, skr_south_authority_pem(controller->south), 0644, error);
}

static int start_policy(struct controller *controller, struct skr_error *error)
{
    const struct skr_policy_options policy = {.realizations = controller->realizations,
                                              .database_id = skr_store_database_id(controller->store),
                                              .digest_key = skr_store_digest_key(controller->store),
                                              .incarnation = skr_store_incarnation(controller->store),
                                              .proof_key = skr_south_proof_key(controller->south),
                                              .output = skr_south_policy_output(controller->south)};
    SKR_CLEANUP(skr_store_read_cleanup) struct skr_txn *txn = NULL;
    int result = skr_policy_new(&policy, &controller->policy, error);
    if (result == 0)
        result = skr_store_read_begin(controller->store, &txn, error);
    if (result == 0)
        result = skr_policy_load(controller->policy, txn, error);
    if (result == 0 && skr_policy_start(controller->policy) < 0)
        result = skr_error_set(error, SKR_ERROR_INTERNAL, "The policy's thread could not be started.");
    return result;
}

struct first_token {
    char *text;
};

static int make_first_token(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    struct first_token *token = arg;
    free(token->text); /* of a run that was rolled back */
    token->text = NULL;
    return skr_model_first_token(txn, &token->text, error);
}

static int write_first_token(struct controller *controller, struct skr_error *error)
{
    struct first_token token = {0};
    int result = skr_store_write_wait(controller->store, make_first_token, &token, NULL, error);
    if (result == 0 && token.text) {
        SKR_CLEANUP(skr_free_cleanup) char *line = NULL;
        if (asprintf(&line, "%s\n", token.text) < 0)
            abort();
        result = write_text(controller->token_file, line, 0600, error);
        explicit_bzero(line, strlen(line));
        if (result == 0)
            skr_log(SKR_LOG_NOTICE, "an administrator's token was made", "file=%s", controller->token_file);
    }
    if (token.text)
        explicit_bzero(token.text, strlen(token.text));
    free(token.text);
    return result;
}

static bool is_ready(void *arg)
{
    return atomic_load(&((struct controller *)arg)->ready);
}

static int start_api(struct controller *controller, struct skr_error *error)
{
    SKR_CLEANUP(skr_free_cleanup) char *key = NULL;
    SKR_CLEANUP(skr_free_cleanup) char *certificate = NULL;
    struct skr_api *api;
    int result = skr_south_server_certificate(controller->south, (const char *const *)controller->names.names,
                                              controller->names.count, &key, &certificate, error);
    if (result < 0)
        return result;
    const struct skr_api_options options_api = {.listen = controller->settings.api_listen,
                                                .key_pem = key,
                                                .certificate_pem = certificate,
                                                .store = controller->store,
                                                .realizations = controller->realizations,
                                                .south_address = controller->agent_address,
                                                .authority_key_hash = skr_south_authority_key_hash(controller->south),
                                                .ready = is_ready,
                                                .ready_arg = controller,
                                                .metrics = skr_south_metrics,
                                                .metrics_arg = controller->south};
    result = skr_api_new(&options_api, &api, error);
    explicit_bzero(key, strlen(key));
    if (result == 0)
        atomic_store(&controller->api, api);
    return result;
}

/* Before requests and agents: a job that is under way is known before anything changes. */
static int start_jobs(struct controller *controller, struct skr_error *error)
{
    struct skr_jobs *jobs;
    const struct skr_jobs_options options_jobs = {.store = controller->store,
                                                  .realizations = controller->realizations,
                                                  .backup_directory = controller->backup_directory};
    int result = skr_jobs_new(&options_jobs, &jobs, error);
    if (result < 0)
        return result;
    atomic_store(&controller->jobs, jobs);
    return skr_jobs_start(jobs) < 0
                   ? skr_error_set(error, SKR_ERROR_INTERNAL, "The thread of the jobs could not be started.")
                   : 0;
}

static int start(struct controller *controller, struct skr_error *error)
{
    int result = prepare_directory(controller, error);
    if (result == 0 && skr_realization_table_new(&controller->realizations) < 0)
        result = skr_error_set(error, SKR_ERROR_INTERNAL, "Out of memory.");
    if (result == 0)
        skr_realization_listen(controller->realizations, realization_changed, controller);
    if (result == 0)
        result = open_store(controller, error);
    if (result == 0)
        result = make_south(controller, error);
    if (result == 0)
        result = start_policy(controller, error);
    if (result == 0)
        result = start_jobs(controller, error);
    if (result == 0)
        result = skr_south_start(controller->south, controller->policy, error);
    if (result == 0)
        result = start_api(controller, error);
    if (result == 0)
        result = write_first_token(controller, error);
    if (result == 0)
        result = skr_store_check_begin(controller->store, error);
    return result;
}

/* No new requests, then no agents, then nobody who computes, then the database; what may still be called is freed last.
 */
static void stop(struct controller *controller)
{
    struct skr_api *api = atomic_load(&controller->api);
    atomic_store(&controller->ready, false);
    if (api)
        skr_api_stop(api);
    skr_jobs_stop(atomic_load(&controller->jobs));
    if (controller->south)
        skr_south_stop(controller->south);
    if (controller->policy)
        skr_policy_stop(controller->policy);
    skr_store_close(controller->store);
    skr_jobs_free(atomic_load(&controller->jobs));
    if (api)
        skr_api_free(api);
    if (controller->policy)
        skr_policy_free(controller->policy);
    skr_south_free(controller->south);
    if (controller->realizations)
        skr_realization_table_free(controller->realizations);
    skr_names_done(&controller->names);
    free(controller->agent_address);
}

/* ---- running ---- */

/* It writes something in any case: so a disk that is full, or has room again, is noticed without anybody's request. */
static int upkeep(struct skr_txn *txn, void *arg, struct skr_error *error)
{
    char now[24];
    snprintf(now, sizeof(now), "%lld", (long long)skr_txn_now_ms(txn));
    int r = skr_txn_setting_set(txn, "upkeep_at", now, error);
    r = r < 0 ? r : skr_model_prune(txn, arg, error);
    if (r < 0)
        return r;
    int result = skr_store_log_prune(txn, skr_txn_now_ms(txn), LOG_ROWS_MAX);
    return result < 0 ? skr_error_set(error, SKR_ERROR_STORAGE, "The history could not be pruned.")
                      : skr_model_retry_prune(txn, skr_txn_now_ms(txn), RETRIES_PRUNED_MAX, error);
}

static void announce(const struct controller *controller)
{
    SKR_CLEANUP(skr_free_cleanup)
    char *api = skr_names_reachable(controller->settings.api_listen, skr_api_port(controller->api));
    printf("skerry-controller " SKR_VERSION ": REST API at https://%s, agents at %s, administrator's token in %s\n",
           api, controller->agent_address, controller->token_file);
    fflush(stdout);
    sd_notifyf(0, "READY=1\nSTATUS=REST API at https://%s, agents at %s", api, controller->agent_address);
}

static void run_until_signal(struct controller *controller, const sigset_t *signals)
{
    const int64_t period_ns = UPKEEP_SECONDS * SKR_NS_PER_S;
    for (int64_t due_ns = skr_clock_monotonic_ns() + period_ns;;) {
        struct skr_error error = {0};
        int64_t left_ns = due_ns - skr_clock_monotonic_ns();
        left_ns = left_ns > 0 ? left_ns : 0;
        const struct timespec left = {.tv_sec = left_ns / SKR_NS_PER_S, .tv_nsec = left_ns % SKR_NS_PER_S};
        int number = sigtimedwait(signals, NULL, &left); /* also ends early, after SIGSTOP and SIGCONT */
        if (number == SIGTERM || number == SIGINT)
            return;
        if (skr_clock_monotonic_ns() < due_ns)
            continue;
        if (skr_store_write_wait(controller->store, upkeep, NULL, NULL, &error) < 0)
            skr_log(SKR_LOG_WARNING, "upkeep failed", "reason='%s'", error.detail);
        due_ns = skr_clock_monotonic_ns() + period_ns;
    }
}

static int serve(struct controller *controller)
{
    struct skr_error error = {0};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGHUP, SIG_IGN); /* there is nothing to read again */
    signal(SIGPIPE, SIG_IGN);
    int result = start(controller, &error);
    if (result == 0) {
        atomic_store(&controller->ready, true);
        announce(controller);
        run_until_signal(controller, &signals);
        skr_log(SKR_LOG_NOTICE, "stopping", NULL);
    } else {
        skr_log(SKR_LOG_ERROR, "the controller could not start", "reason='%s'", error.detail);
    }
    sd_notify(0, "STOPPING=1");
    stop(controller);
    return result < 0 ? 1 : 0;
}

static int restore(struct controller *controller, const char *file)
{
    struct skr_error error = {0};
    int result = prepare_directory(controller, &error);
    if (result == 0)
        result = skr_restore(controller->database, file, controller->settings.passphrase_file, &error);
    if (result < 0)
        fprintf(stderr, "skerry-controller: %s\n", error.detail);
    return result < 0 ? 1 : 0;
}

static int check_database(struct controller *controller)
{
    struct skr_error error = {0};
    int result = path_in(controller->settings.data_directory, "skerry.db", controller->database, &error);
    if (result == 0)
        result = skr_store_check(controller->database, &error);
    if (result < 0)
        fprintf(stderr, "skerry-controller: %s\n", error.detail);
    else
        printf("%s is sound.\n", controller->database);
    return result < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    /* Large answers go back to the kernel when they have been read; left alone, the C library raises this bound with
     * the first of them and keeps the memory of all. */
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    static struct controller controller;
    struct settings *settings = &controller.settings;
    struct skr_error error = {0};
    enum skr_log_level level = SKR_LOG_INFO;
    int status = 0;
    const char *backup = NULL;
    if (argc > 1 && strcmp(argv[1], "restore") == 0) {
        backup = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
        if (!backup) {
            fprintf(stderr, "skerry-controller: restore FILE [--passphrase-file FILE]: name the backup.\n");
            return 2;
        }
        argc -= 2;
        argv += 2;
    }
    if (read_settings(settings, argc, argv, &error) < 0) {
        fprintf(stderr, "skerry-controller: %s\n", error.detail);
        return 2;
    }
    if (settings->help) {
        printf("skerry-controller [flags]: the central controller of Skerry\n"
               "skerry-controller restore FILE [flags]: puts a backup in the place of its database\n\n");
        skr_config_help(options, SKR_ARRAY_SIZE(options));
    } else if (settings->version) {
        printf("skerry-controller " SKR_VERSION "\n");
    } else if (skr_log_level_parse(settings->log_level, &level) < 0) {
        fprintf(stderr, "skerry-controller: '%s' is not a log level: error, warning, notice, info, debug.\n",
                settings->log_level);
        status = 2;
    } else {
        skr_log_init(level, settings->log_json);
        status = backup                     ? restore(&controller, backup)
                 : settings->check_database ? check_database(&controller)
                                            : serve(&controller);
    }
    skr_config_done(options, SKR_ARRAY_SIZE(options), settings);
    return status;
}
