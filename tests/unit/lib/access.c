#include <criterion/criterion.h>
#include <errno.h>
#include <skerry/access.h>
#include <skerry/macros.h>

Test(access, protocols_have_one_way_of_writing_them)
{
    static const struct {
        const char *text;
        unsigned number;
        const char *normal;
    } good[] = {{"any", 256, "any"}, {"tcp", 6, "tcp"},    {"6", 6, "tcp"},          {"006", 6, "tcp"},
                {"udp", 17, "udp"},  {"17", 17, "udp"},    {"icmp", 1, "icmp"},      {"1", 1, "icmp"},
                {"0", 0, "0"},       {"58", 58, "icmpv6"}, {"icmpv6", 58, "icmpv6"}, {"132", 132, "132"},
                {"255", 255, "255"}};
    static const char *const bad[] = {"",     "256",  "-1", "+6",  "TCP",
                                      "tcp ", " tcp", "6x", "0x6", "99999999999999999999"};
    char text[SKR_PROTOCOL_TEXT_MAX];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(good); i++) {
        unsigned number = 999;
        cr_expect_eq(skr_protocol_parse(good[i].text, &number), 0, "%s", good[i].text);
        cr_expect_eq(number, good[i].number, "%s", good[i].text);
        cr_expect_str_eq(skr_protocol_format(number, text), good[i].normal);
    }
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        unsigned number = 999;
        cr_expect_eq(skr_protocol_parse(bad[i], &number), -EINVAL, "%s", bad[i]);
        cr_expect_eq(number, 999);
    }
}

Test(access, ports_have_one_way_of_writing_them)
{
    static const struct {
        const char *text, *normal;
    } good[] = {{"80", "80"}, {"080", "80"}, {"80-80", "80"}, {"1-65535", "1-65535"}, {"1000-02000", "1000-2000"}};
    static const char *const bad[] = {"",   "0",   "0-5",   "65536", "5-4",
                                      "1-", "-1",  "1-2-3", "80 ",   "80,90",
                                      "a",  "1-x", "http",  "+80",   "99999999999999999999"};
    char text[SKR_PORTS_TEXT_MAX];
    for (size_t i = 0; i < SKR_ARRAY_SIZE(good); i++) {
        struct skr_ports ports = {0};
        cr_expect_eq(skr_ports_parse(good[i].text, &ports), 0, "%s", good[i].text);
        cr_expect_str_eq(skr_ports_format(&ports, text), good[i].normal);
    }
    for (size_t i = 0; i < SKR_ARRAY_SIZE(bad); i++) {
        struct skr_ports ports = {7, 9};
        cr_expect_eq(skr_ports_parse(bad[i], &ports), -EINVAL, "%s", bad[i]);
        cr_expect(ports.first == 7 && ports.last == 9);
    }
}
