#include "cli/command/command.h"

#include <errno.h>
#include <skerry/file.h>
#include <string.h>

#define CERTIFICATE_MAX (256 << 10)

static void trim(char *text)
{
    size_t start = strspn(text, " \t\r\n"), length = strlen(text + start);
    while (length && strchr(" \t\r\n", text[start + length - 1]))
        length--;
    memmove(text, text + start, length);
    text[length] = '\0';
}

static int read_token(const char *path, char **ret, struct skr_error *error)
{
    char text[SKR_SECRET_LINE_MAX] = "";
    int r = 0;
    if (path && strcmp(path, "-") != 0) {
        uint8_t *data SKR_CLEANUP(skr_free_cleanup) = NULL;
        size_t size = 0;
        r = skr_file_read(path, sizeof(text) - 1, &data, &size);
        if (r < 0)
            return skr_error_set(error, r == -ENOENT ? SKR_ERROR_NOT_FOUND : SKR_ERROR_SYNTAX,
                                 "The token cannot be read from %.200s: %s", path, strerror(-r));
        memcpy(text, data, size + 1);
    } else {
        r = skr_secret_ask("Token", text, error);
    }
    if (r < 0)
        return r;
    trim(text);
    if (!text[0] || strpbrk(text, " \t\r\n"))
        return skr_error_set(error, SKR_ERROR_SYNTAX, "There is no token in what was given; it is one word");
    *ret = strdup(text);
    explicit_bzero(text, sizeof(text));
    return 0;
}

static int read_authority(const struct skr_arguments *arguments, const char *url, char **ret, struct skr_error *error)
{
    const char *file = skr_arguments_flag(arguments, "ca"), *hash = skr_arguments_flag(arguments, "ca-hash");
    uint8_t pin[SKR_TLS_HASH_SIZE];
    size_t size = 0;
    if (file && hash)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "--ca and --ca-hash say the same; give one");
    if (file) {
        int r = skr_file_read(file, CERTIFICATE_MAX, (uint8_t **)ret, &size);
        if (r == 0 && skr_tls_certificate_key_hash(*ret, pin, NULL) == 0)
            return 0;
        return skr_error_set(error, r == -ENOENT ? SKR_ERROR_NOT_FOUND : SKR_ERROR_SYNTAX,
                             "%.200s is no certificate in PEM%s%s", file, r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
    }
    if (!hash)
        return 0;
    if (skr_tls_hash_parse(hash, pin) < 0)
        return skr_error_set(error, SKR_ERROR_SYNTAX, "--ca-hash is SHA-256 in 64 hexadecimal digits");
    return skr_client_fetch_authority(url, pin, ret, error);
}

/* The token is shown to a controller that is trusted, and kept only when it lets us in. */
static int try_out(const struct skr_settings *settings, json_t **ret, struct skr_error *error)
{
    struct skr_client *client SKR_CLEANUP(skr_client_cleanup) = NULL;
    int r = skr_client_new(settings, &client, error);
    return r < 0 ? r : skr_client_get(client, "/v1/controller", ret, error);
}

int skr_command_login(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_settings settings SKR_CLEANUP(skr_settings_done) = {0};
    struct skr_error error = {0};
    json_t *controller = NULL;
    if (arguments->word_count != 1)
        return skr_usage_because(command, "login takes the address of one controller");
    if (skr_settings_url(arguments->words[0], &settings.url, &error) < 0)
        return skr_usage(command, &error);
    int r = read_authority(arguments, settings.url, &settings.ca_pem, &error);
    if (r == 0)
        r = read_token(skr_arguments_flag(arguments, "token-file"), &settings.token, &error);
    if (r == 0)
        r = try_out(&settings, &controller, &error);
    if (r == 0)
        r = skr_settings_write(&settings, &error);
    const char *version = json_string_value(json_object_get(controller, "version"));
    if (r == 0)
        skr_say("Logged in to %s (version %s)", settings.url, version ? version : "unknown");
    json_decref(controller);
    return r < 0 ? skr_fail(&error) : SKR_EXIT_DONE;
}

int skr_command_config(const struct skr_command *command, const struct skr_arguments *arguments)
{
    struct skr_settings settings SKR_CLEANUP(skr_settings_done) = {0};
    struct skr_error error = {0};
    char path[PATH_MAX], hash[SKR_TLS_HASH_TEXT_MAX] = "";
    uint8_t pin[SKR_TLS_HASH_SIZE];
    enum skr_form form;
    if (arguments->word_count)
        return skr_usage_because(command, "config takes no words: it shows what login keeps");
    if (skr_form_parse(skr_arguments_flag(arguments, "output"), 1U << SKR_FORM_TABLE | 1U << SKR_FORM_JSON, &form,
                       &error) < 0)
        return skr_usage(command, &error);
    int r = skr_settings_path(path, &error);
    if (r == 0)
        r = skr_settings_read(&settings, &error);
    if (r < 0)
        return skr_fail(&error);
    if (settings.ca_pem && skr_tls_certificate_key_hash(settings.ca_pem, pin, NULL) == 0)
        skr_tls_hash_format(pin, hash);
    json_t *shown = json_pack("{s:s,s:s,s:s}", "file", path, "url", settings.url, "authority",
                              hash[0] ? hash : "those of this system");
    if (form == SKR_FORM_JSON)
        skr_json_print(shown, stdout);
    else
        skr_answer_print(shown, stdout, false);
    json_decref(shown);
    return SKR_EXIT_DONE;
}
