/* The one table of errors, errors.def. Functions return 0 or -ERR_name. */
#ifndef WSPUSH_BASE_ERROR_H
#define WSPUSH_BASE_ERROR_H

enum error {
    ERR_NONE,
#define ERROR(name, close_code, http_status, text) ERR_##name,
#include "base/errors.def"
#undef ERROR
    ERR_COUNT
};

/* Each takes what a function returned, with either sign. */
int error_close_code(int error);
int error_http_status(int error);
const char *error_text(int error);

#endif
