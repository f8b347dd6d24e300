/* Where the configuration is. */
#ifndef WSPUSH_FCGI_SETTINGS_H
#define WSPUSH_FCGI_SETTINGS_H

#define SETTINGS_FILE "/etc/wspush/wspush.conf"

/* The file that was named, or else the usual one if it is there now, or else NULL: the defaults. */
const char *settings_path(const char *named);

#endif
