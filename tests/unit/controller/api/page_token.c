#include "controller/api/http.h"

#include <criterion/criterion.h>
#include <string.h>

static struct skr_page_key key_of(uint8_t first)
{
    struct skr_uuid id = {{first}};
    struct skr_digest_key key = {1, 2};
    return skr_page_key_make(&id, &key);
}

Test(page_token, comes_back)
{
    struct skr_page_key key = key_of(1);
    struct skr_uuid after = skr_uuid_new(), back;
    char token[SKR_PAGE_TOKEN_MAX];
    cr_assert_eq(strlen(skr_page_token_make(&key, "tenants", &after, token)), 43);
    cr_assert_eq(skr_page_token_parse(&key, "tenants", token, &back, NULL), 0);
    cr_assert_eq(skr_uuid_compare(&after, &back), 0);
}

static void refused(const struct skr_page_key *key, const char *binding, const char *token)
{
    struct skr_error error = {0};
    struct skr_uuid untouched = {{42}}, back = untouched;
    cr_assert_lt(skr_page_token_parse(key, binding, token, &back, &error), 0);
    cr_assert_eq(error.tag, SKR_ERROR_SYNTAX);
    cr_assert(strstr(error.detail, "page_token"));
    cr_assert_eq(skr_uuid_compare(&back, &untouched), 0);
}

Test(page_token, belongs_to_its_list_and_its_database)
{
    struct skr_page_key key = key_of(1), other = key_of(2);
    struct skr_uuid after = skr_uuid_new();
    char token[SKR_PAGE_TOKEN_MAX];
    skr_page_token_make(&key, "tenants\nname=a", &after, token);
    refused(&key, "tenants\nname=b", token);
    refused(&other, "tenants\nname=a", token);
}

Test(page_token, refuses_every_changed_character_and_nonsense)
{
    struct skr_page_key key = key_of(1);
    struct skr_uuid after = skr_uuid_new();
    char token[SKR_PAGE_TOKEN_MAX];
    skr_page_token_make(&key, "tenants", &after, token);
    for (size_t i = 0; token[i]; i++) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        refused(&key, "tenants", token);
        token[i] = kept;
    }
    refused(&key, "tenants", "");
    refused(&key, "tenants", "short");
    refused(&key, "tenants", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
    token[42] = '\0';
    refused(&key, "tenants", token);
}
