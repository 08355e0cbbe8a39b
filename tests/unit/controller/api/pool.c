/* Shares of a pool against a model of its own that counts by hand. */
#include "controller/api/http.h"

#include <criterion/criterion.h>
#include <string.h>

enum { TENANTS = 4, TOKENS = 12, STEPS = 20000, TOTAL = 40, OF_TENANT = 12, OF_PRINCIPAL = 6, RESERVE = 8 };

static const struct skr_http_pool_limits limits = {"things", "drop one", TOTAL, OF_TENANT, OF_PRINCIPAL, RESERVE};

/* Every third token is the fabric's. */
static struct skr_principal make(int token)
{
    struct skr_principal principal = {.kind = SKR_PRINCIPAL_TOKEN};
    principal.token_id.bytes[15] = (uint8_t)(token + 1);
    if (token % 3)
        principal.tenant_id.bytes[15] = (uint8_t)(token % TENANTS + 1);
    return principal;
}

struct model {
    int held[TOKENS];
};

static int sum(const struct model *model, int tenant, bool tenants_alone)
{
    int all = 0;
    for (int i = 0; i < TOKENS; i++)
        if ((tenant < 0 || (i % 3 && i % TENANTS == tenant)) && (!tenants_alone || i % 3))
            all += model->held[i];
    return all;
}

static bool allows(const struct model *model, int token, int count)
{
    bool of_tenant = token % 3 != 0;
    int mine = model->held[token], ours = of_tenant ? sum(model, token % TENANTS, true) : 0;
    if (mine && mine + count > OF_PRINCIPAL)
        return false;
    if (of_tenant && ours && ours + count > OF_TENANT)
        return false;
    if (of_tenant && sum(model, -1, true) + count > TOTAL - RESERVE)
        return false;
    return sum(model, -1, false) + count <= TOTAL;
}

Test(api_pool, shares_are_what_a_count_by_hand_says)
{
    struct skr_http_pool *pool = skr_http_pool_new(&limits);
    struct model model = {0};
    unsigned taken = 0, refused = 0, seed = 1;
    for (int step = 0; step < STEPS; step++) {
        int token = rand_r(&seed) % TOKENS, count = 1 + rand_r(&seed) % 9;
        struct skr_principal principal = make(token);
        struct skr_error error = {0};
        if (rand_r(&seed) % 3 == 0 && model.held[token]) {
            count = 1 + rand_r(&seed) % model.held[token];
            skr_http_pool_give(pool, &principal, count);
            model.held[token] -= count;
            continue;
        }
        bool allowed = allows(&model, token, count);
        int r = skr_http_pool_take(pool, &principal, count, &error);
        cr_assert_eq(r == 0, allowed, "step %d: token %d takes %d: %s", step, token, count, error.detail);
        cr_assert(r == 0 || error.tag == SKR_ERROR_TOO_MANY);
        model.held[token] += allowed ? count : 0;
        *(allowed ? &taken : &refused) += 1;
    }
    cr_assert_gt(taken, STEPS / 20);
    cr_assert_gt(refused, STEPS / 20);
    skr_http_pool_free(pool);
}

Test(api_pool, a_refusal_says_whose_limit_it_is)
{
    struct skr_http_pool *pool = skr_http_pool_new(&limits);
    struct skr_principal first = make(1), second = make(5), third = make(9), fabric = make(0);
    struct skr_error error = {0};
    second.tenant_id = third.tenant_id = first.tenant_id;
    cr_assert_eq(skr_http_pool_take(pool, &first, OF_PRINCIPAL, &error), 0);
    cr_assert_lt(skr_http_pool_take(pool, &first, 1, &error), 0);
    cr_assert_str_eq(error.detail, "This token has things already, the most one may have is 6; drop one");
    cr_assert_eq(skr_http_pool_take(pool, &second, OF_TENANT - OF_PRINCIPAL, &error), 0);
    cr_assert_lt(skr_http_pool_take(pool, &third, 1, &error), 0);
    cr_assert_str_eq(error.detail, "Your tenant has things already, the most one may have is 12; drop one");
    skr_http_pool_force(pool, &fabric, TOTAL - OF_TENANT);
    fabric.token_id.bytes[0] = 1;
    cr_assert_lt(skr_http_pool_take(pool, &fabric, 1, &error), 0);
    cr_assert_str_eq(error.detail,
                     "The controller has things of all its clients, as many as it takes; try again in a moment");
    skr_http_pool_free(pool);
}

/* All sessions of a user are his, and what a session is called in a message. */
Test(api_pool, a_user_shares_among_his_sessions)
{
    struct skr_http_pool *pool = skr_http_pool_new(&limits);
    struct skr_principal one = make(1), two = make(2);
    struct skr_error error = {0};
    one.kind = two.kind = SKR_PRINCIPAL_SESSION;
    one.user_id.bytes[15] = two.user_id.bytes[15] = 7;
    cr_assert_eq(skr_http_pool_take(pool, &one, OF_PRINCIPAL, &error), 0);
    cr_assert_lt(skr_http_pool_take(pool, &two, 1, &error), 0);
    cr_assert(strstr(error.detail, "This user has"), "%s", error.detail);
    skr_http_pool_free(pool);
}
