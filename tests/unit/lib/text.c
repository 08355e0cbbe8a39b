#include <criterion/criterion.h>
#include <skerry/text.h>
#include <stdio.h>
#include <string.h>

static void expect_mended(const char *given, const char *wanted)
{
    char text[64];
    snprintf(text, sizeof(text), "%s", given);
    skr_utf8_mend(text);
    cr_expect_str_eq(text, wanted);
}

Test(text, what_is_whole_stays)
{
    expect_mended("", "");
    expect_mended("plain", "plain");
    expect_mended("Köln, Москва, 東京, \xf0\x9f\x8f\x9d", "Köln, Москва, 東京, \xf0\x9f\x8f\x9d");
}

Test(text, what_was_cut_goes)
{
    static const char of_four[] = "a\xf0\x9f\x8f\x9d";
    for (int bytes = 0; bytes <= 5; bytes++) {
        char cut[32], wanted[32];
        snprintf(cut, sizeof(cut), "\"%.*s\" is", bytes, of_four);
        snprintf(wanted, sizeof(wanted), "\"%s\" is", bytes == 0 ? "" : bytes == 5 ? of_four : "a");
        expect_mended(cut, wanted);
    }
    expect_mended("\xd0", "");
    expect_mended("\x80\xbf tail of another", " tail of another");
}

Test(text, what_is_no_character_goes)
{
    expect_mended("overlong \xc0\xaf!", "overlong !");
    expect_mended("surrogate \xed\xa0\x80!", "surrogate !");
    expect_mended("beyond \xf4\x90\x80\x80!", "beyond !");
    expect_mended("\xff\xfe", "");
}
