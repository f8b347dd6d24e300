#include "base/error.h"

static const struct {
    int close_code;
    int http_status;
    const char *text;
} rows[] = {
    {1000, 200, "no error"},
#define ERROR(name, close_code, http_status, text) {close_code, http_status, text},
#include "base/errors.def"
#undef ERROR
};

static int row_of(int error)
{
    if (error < 0)
        error = -error;
    return error < ERR_COUNT ? error : 0;
}

int error_close_code(int error)
{
    return rows[row_of(error)].close_code;
}

int error_http_status(int error)
{
    return rows[row_of(error)].http_status;
}

const char *error_text(int error)
{
    return rows[row_of(error)].text;
}
