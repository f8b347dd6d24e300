/* reload: the worker reads wspush.conf anew, and says what changes. */
#include "ctl/verbs.h"

#include <stdio.h>
#include <string.h>

#include "ctl/print.h"

static const char *text_of(const struct wspush *h, size_t row, const char *field)
{
    struct wspush_value value;
    return wspush_row_get(h, row, field, &value) && value.kind == WSPUSH_TEXT ? value.text : NULL;
}

static void print_text(const char *text)
{
    print_escaped(stdout, text, strlen(text));
}

/* `channel "chat/" { ... }` that came or went, or the new order of those that stay. */
static void print_section(const char *section, const char *was, const char *is)
{
    if (!*section) {
        printf("order of the channel sections: ");
        print_text(is ? is : "");
        return;
    }
    printf("%s channel \"", is ? "new:" : "gone:");
    print_text(section);
    printf("\" ");
    print_text(is ? is : was ? was : "");
}

static void print_option(const char *option, const char *section, const char *was, const char *is)
{
    if (*section) {
        printf("channel \"");
        print_text(section);
        printf("\": ");
    }
    print_text(option);
    printf(" = ");
    print_text(is ? is : "");
    printf(" (was ");
    print_text(was ? was : "");
    putchar(')');
}

static const char *when(const char *applies)
{
    if (strcmp(applies, "restart") == 0)
        return ", from the next start";
    return strcmp(applies, "responder") == 0 ? ", for wspush-fcgi" : "";
}

static void print_change(const struct wspush *h, size_t row)
{
    const char *option = text_of(h, row, "option");
    const char *section = text_of(h, row, "channel");
    const char *applies = text_of(h, row, "applies");
    if (!option || !section || !applies)
        return;
    if (strcmp(option, "channel") == 0)
        print_section(section, text_of(h, row, "old"), text_of(h, row, "new"));
    else
        print_option(option, section, text_of(h, row, "old"), text_of(h, row, "new"));
    printf("%s\n", when(applies));
}

static int run_reload(struct ctl *ctl)
{
    size_t rows = 0;
    if (ctl_no_more(ctl) != CTL_DONE)
        return CTL_USAGE;
    enum wspush_result result = wspush_reload(ctl->handle, ctl_given(ctl, "dry-run"), &rows);
    if (result != WSPUSH_OK)
        return ctl_fail(ctl, ctl->handle, result);
    for (size_t row = 0; row < rows; row++) {
        if (ctl->json)
            print_row_json(ctl->handle, row);
        else
            print_change(ctl->handle, row);
    }
    if (rows == 0 && !ctl->json && !ctl->quiet)
        printf("nothing changes\n");
    return CTL_DONE;
}

static const struct ctl_option options[] = {
    {"dry-run", 0, CTL_FLAG, NULL, "only say what would change"},
    {0},
};

const struct ctl_verb verb_reload = {
    .name = "reload",
    .args = "",
    .help = "have the worker read wspush.conf anew, and say what changes",
    .more = "Whoever is connected stays, and goes by the new options when this returns. A file with a fault\n"
            "changes nothing. The responder reads the file by itself: `systemctl reload wspush-fcgi`.\n",
    .example = "wsctl reload --dry-run",
    .options = options,
    .run = run_reload,
};
