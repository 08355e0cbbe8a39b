/* skerryctl: the command line of Skerry. */
#include "cli/command/command.h"

#include <locale.h>

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    return skr_run(argc, argv);
}
