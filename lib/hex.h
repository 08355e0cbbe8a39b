/* Hexadecimal digits, for what is written in them: UUIDs, MAC addresses, hashes. */
#pragma once

/* 0 to 15 of a digit in either case, -1 of anything else. */
static inline int skr_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
