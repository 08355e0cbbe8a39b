#include <skerry/text.h>

unsigned skr_utf8_decode(const char *text, uint32_t *ret)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    unsigned length = *p < 0x80 ? 1 : (*p & 0xe0) == 0xc0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : (*p & 0xf8) == 0xf0 ? 4 : 0;
    if (length < 2) {
        *ret = *p;
        return length;
    }
    uint32_t character = *p & (0x7fu >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) /* also ends at the NUL */
            return 0;
        character = character << 6 | (p[i] & 0x3fu);
    }
    if (character < smallest[length] || (character >= 0xd800 && character <= 0xdfff) || character > 0x10ffff)
        return 0;
    *ret = character;
    return length;
}

void skr_utf8_mend(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        uint32_t character;
        unsigned length = skr_utf8_decode(from, &character);
        for (unsigned i = 0; i < length; i++)
            *to++ = from[i];
        from += length ? length : 1;
    }
    *to = '\0';
}
