#include "settings.h"

#include <stddef.h>
#include <unistd.h>

const char *settings_path(const char *named)
{
    return named || access(SETTINGS_FILE, F_OK) != 0 ? named : SETTINGS_FILE;
}
