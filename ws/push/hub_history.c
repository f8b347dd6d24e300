/* What channels keep, for operators; and whom the engine has read for. */
#include "push/hub_internal.h"

void hub_history(struct hub *h, const struct target *channel, const struct history_wish *wish,
                 struct asker asker)
{
    const struct place *place = hub_place(h, channel->name, channel->name_len);
    const struct reading r = {.channel = channel->name,
                              .channel_len = channel->name_len,
                              .hash = place->hash,
                              .config = place->config,
                              .from = wish->after.gen ? FROM_AFTER : FROM_ALL,
                              .after = wish->after,
                              .newest = !wish->after.gen,
                              .most = wish->most,
                              .bytes = UINT64_MAX,
                              .swells = 1,
                              .asker = asker};
    h->engine_ops->read(h->engine, &r);
}

void hub_on_read(void *arg, const struct reading *r, const struct excerpt *excerpt)
{
    struct hub *h = arg;
    if (r->asker.fd >= 0)
        h->up.history(h->up.arg, r, excerpt);
    else
        hub_go_on(h, r, excerpt);
}
