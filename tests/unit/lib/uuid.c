#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <skerry/clock.h>
#include <skerry/uuid.h>
#include <string.h>

#define EACH 20000

Test(uuid, new_ones_are_version_7_of_now_and_grow)
{
    int64_t before = skr_clock_wall_ms();
    struct skr_uuid last = skr_uuid_new();
    cr_assert_eq(last.bytes[6] >> 4, 7);
    cr_assert_eq(last.bytes[8] >> 6, 2);
    int64_t at = 0;
    for (int i = 0; i < 6; i++)
        at = at << 8 | last.bytes[i];
    cr_assert(at >= before && at <= skr_clock_wall_ms() + 1000);
    for (int i = 0; i < EACH; i++) { /* more than a millisecond's counter holds */
        struct skr_uuid next = skr_uuid_new();
        cr_assert_lt(skr_uuid_compare(&last, &next), 0);
        last = next;
    }
}

static void *make(void *arg)
{
    struct skr_uuid *ids = arg;
    for (int i = 0; i < EACH; i++)
        ids[i] = skr_uuid_new();
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return skr_uuid_compare(a, b);
}

Test(uuid, threads_never_get_the_same)
{
    static struct skr_uuid ids[4][EACH];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, make, ids[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct skr_uuid *all = ids[0];
    qsort(all, 4 * EACH, sizeof(all[0]), compare);
    for (int i = 1; i < 4 * EACH; i++)
        cr_assert_neq(skr_uuid_compare(&all[i - 1], &all[i]), 0);
}

Test(uuid, text)
{
    struct skr_uuid value;
    char out[SKR_UUID_TEXT_MAX];
    cr_assert_eq(skr_uuid_parse("01890A5D-ac96-774b-bcce-b302099a8057", &value), 0);
    cr_assert_str_eq(skr_uuid_format(&value, out), "01890a5d-ac96-774b-bcce-b302099a8057");
    cr_assert_not(skr_uuid_is_nil(&value));
    cr_assert_eq(skr_uuid_parse("00000000-0000-0000-0000-000000000000", &value), 0);
    cr_assert(skr_uuid_is_nil(&value));
    static const char *const bad[] = {"",
                                      "01890a5d-ac96-774b-bcce-b302099a805",
                                      "01890a5d-ac96-774b-bcce-b302099a80577",
                                      "01890a5dac96774bbcceb302099a8057",
                                      "01890a5d-ac96-774b-bcceb-302099a8057",
                                      "01890a5d-ac96-774b-bcce-b302099a805g",
                                      "{1890a5d-ac96-774b-bcce-b302099a805}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(skr_uuid_parse(bad[i], &value), -EINVAL, "%s", bad[i]);
    cr_assert(skr_uuid_is_nil(&value));
}
