#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/address.h>
#include <string.h>

static struct skr_address address(const char *text)
{
    struct skr_address value;
    cr_assert_eq(skr_address_parse(text, &value), 0, "%s", text);
    return value;
}

static struct skr_prefix prefix(const char *text)
{
    struct skr_prefix value;
    cr_assert_eq(skr_prefix_parse(text, &value), 0, "%s", text);
    return value;
}

static void same_address(const struct skr_address *value, const char *text)
{
    char out[SKR_ADDRESS_TEXT_MAX];
    cr_assert_str_eq(skr_address_format(value, out), text);
}

Test(address, text_goes_in_and_comes_out)
{
    static const char *const texts[][2] = {
            {"0.0.0.0", "0.0.0.0"},
            {"255.255.255.255", "255.255.255.255"},
            {"10.1.2.3", "10.1.2.3"},
            {"::", "::"},
            {"::1", "::1"},
            {"::1:2", "::1:2"},
            {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
            {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
            {"2001:0db8::0001", "2001:db8::1"},
            {"fe80:0:0:0:1::", "fe80::1:0:0:0"},
            {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
            {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
            {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
            {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct skr_address value = address(texts[i][0]);
        same_address(&value, texts[i][1]);
        cr_assert_eq(skr_address_is_v4(&value), strchr(texts[i][0], ':') == NULL);
    }
}

Test(address, what_is_none_is_refused_and_nothing_written)
{
    static const char *const texts[] = {
            "",           "10.1.2",        "10.1.2.3.4", "10.1.2.256", "010.1.2.3",       " 10.1.2.3",  "10.1.2.3 ",
            "0x0a.1.2.3", "1:2:3:4:5:6:7", ":::",        "fe80::1%lo", "::ffff:10.1.2.3", "10.1.2.3/8", "g::1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct skr_address value;
        memset(&value, 0xa5, sizeof(value));
        cr_assert_eq(skr_address_parse(texts[i], &value), -EINVAL, "%s", texts[i]);
        for (int b = 0; b < 16; b++)
            cr_assert_eq(value.bytes[b], 0xa5);
    }
}

Test(address, prefixes)
{
    static const char *const good[] = {"0.0.0.0/0", "10.0.0.0/8",    "10.1.2.3/32",
                                       "::/0",      "2001:db8::/32", "2001:db8::1/128"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char out[SKR_PREFIX_TEXT_MAX];
        struct skr_prefix value = prefix(good[i]);
        cr_assert_str_eq(skr_prefix_format(&value, out), good[i]);
    }
    static const char *const bad[] = {"10.0.0.0",    "10.0.0.0/",   "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "/8",
                                      "10.0.0.0/8 ", "10.0.0.0/8x", "::/129",      "::/1000",     "10.0.0.0/+8", "/"};
    struct skr_prefix untouched = {.length = 77};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(skr_prefix_parse(bad[i], &untouched), -EINVAL, "%s", bad[i]);
    cr_assert_eq(skr_prefix_parse("10.0.0.1/8", &untouched), -EDOM);
    cr_assert_eq(skr_prefix_parse("0.0.0.1/0", &untouched), -EDOM);
    cr_assert_eq(skr_prefix_parse("2001:db8::1/64", &untouched), -EDOM);
    cr_assert_eq(untouched.length, 77);
}

Test(address, prefixes_contain_and_overlap_within_their_family)
{
    struct skr_prefix ten = prefix("10.0.0.0/8"), ten_one = prefix("10.1.0.0/16"), eleven = prefix("11.0.0.0/8");
    struct skr_prefix all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0");
    struct skr_address inside = address("10.255.255.255"), outside = address("11.0.0.0"), six = address("2001:db8::1");
    cr_assert(skr_prefix_contains(&ten, &inside));
    cr_assert_not(skr_prefix_contains(&ten, &outside));
    cr_assert(skr_prefix_contains(&all4, &outside));
    cr_assert_not(skr_prefix_contains(&all4, &six));
    cr_assert(skr_prefix_contains(&all6, &six));
    cr_assert_not(skr_prefix_contains(&all6, &inside));
    cr_assert(skr_prefix_overlaps(&ten, &ten_one) && skr_prefix_overlaps(&ten_one, &ten));
    cr_assert_not(skr_prefix_overlaps(&ten, &eleven));
    cr_assert_not(skr_prefix_overlaps(&all4, &all6));
    struct skr_address first = skr_prefix_first(&ten_one), last = skr_prefix_last(&ten_one);
    same_address(&first, "10.1.0.0");
    same_address(&last, "10.1.255.255");
    struct skr_prefix six_prefix = prefix("2001:db8::/64");
    last = skr_prefix_last(&six_prefix);
    same_address(&last, "2001:db8::ffff:ffff:ffff:ffff");
    cr_assert_eq(skr_prefix_length_128(&ten), 104);
    cr_assert_eq(skr_prefix_length_128(&six_prefix), 64);
    cr_assert(skr_prefix_is_v4(&ten) && !skr_prefix_is_v4(&six_prefix));
}

Test(address, arithmetic)
{
    struct skr_address a = address("10.0.0.255"), b = skr_address_add(&a, 1), c = skr_address_add(&b, -256);
    same_address(&b, "10.0.1.0");
    same_address(&c, "10.0.0.0");
    cr_assert_lt(skr_address_compare(&c, &b), 0);
    cr_assert_eq(skr_address_compare(&b, &b), 0);
    struct skr_address zero = address("::"), top = skr_address_add(&zero, -1);
    same_address(&top, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    uint32_t v4 = skr_address_v4(&b);
    struct skr_address again = skr_address_from_v4(v4);
    cr_assert_eq(skr_address_compare(&again, &b), 0);
    cr_assert_arr_eq((const uint8_t *)&v4, ((uint8_t[]){10, 0, 1, 0}), 4);
}

Test(address, macs)
{
    struct skr_mac mac, untouched = {{1, 2, 3, 4, 5, 6}};
    char out[SKR_MAC_TEXT_MAX];
    cr_assert_eq(skr_mac_parse("02:00:5E:ab:cd:ef", &mac), 0);
    cr_assert_str_eq(skr_mac_format(&mac, out), "02:00:5e:ab:cd:ef");
    cr_assert_eq(skr_mac_to_u64(&mac), 0x02005eabcdefULL);
    struct skr_mac again = skr_mac_from_u64(0x02005eabcdefULL);
    cr_assert_arr_eq(again.bytes, mac.bytes, 6);
    cr_assert_eq(skr_mac_parse("02-00-5e-ab-cd-ef", &mac), 0);
    cr_assert_not(skr_mac_is_group(&mac) || skr_mac_is_zero(&mac));
    cr_assert_eq(skr_mac_parse("ff:ff:ff:ff:ff:ff", &mac), 0);
    cr_assert(skr_mac_is_group(&mac));
    cr_assert_eq(skr_mac_parse("00:00:00:00:00:00", &mac), 0);
    cr_assert(skr_mac_is_zero(&mac));
    static const char *const bad[] = {"",
                                      "02:00:5e:ab:cd",
                                      "02:00:5e:ab:cd:eg",
                                      "02:00-5e:ab:cd:ef",
                                      "02005eabcdef",
                                      "2:0:5e:ab:cd:ef",
                                      "02:00:5e:ab:cd:ef:01",
                                      "02 00 5e ab cd ef"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(skr_mac_parse(bad[i], &untouched), -EINVAL, "%s", bad[i]);
    cr_assert_eq(skr_mac_to_u64(&untouched), 0x010203040506ULL);
}
