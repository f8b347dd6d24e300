# ---- install, deb, dist ----------------------------------------------------------------------------------------
# GNU's directory variables: `make install PREFIX=/usr`, `make install DESTDIR=/tmp/tree`. Paths that the installed files
# speak of follow them. systemd looks for units below /etc, /usr/local and /usr; for another PREFIX say unitdir= as well.
PREFIX      ?= /usr/local
bindir      ?= $(PREFIX)/bin
sbindir     ?= $(PREFIX)/sbin
libdir      ?= $(PREFIX)/lib
includedir  ?= $(PREFIX)/include
datadir     ?= $(PREFIX)/share
docdir      ?= $(datadir)/doc/wspush
mandir      ?= $(datadir)/man
completionsdir ?= $(datadir)/bash-completion/completions
sysconfdir  ?= /etc
nginxdir    ?= $(sysconfdir)/nginx
unitdir     ?= $(PREFIX)/lib/systemd/system
sysusersdir ?= $(PREFIX)/lib/sysusers.d
tmpfilesdir ?= $(PREFIX)/lib/tmpfiles.d
INSTALL_VARIABLES := DESTDIR PREFIX bindir sbindir libdir includedir datadir docdir mandir completionsdir sysconfdir nginxdir \
    unitdir sysusersdir tmpfilesdir

# libwspush is the client room and what it needs of the base room, position independent. The static one is a single object
# with only wspush_* to be seen, so that no name of ours meets one of the program's.
PIC_CLIENT := $(patsubst %.c,$(BUILD)/obj/pic/%.o,$(wildcard ws/client/*.c))
PIC_BASE   := $(patsubst %.c,$(BUILD)/obj/pic/%.o,$(wildcard ws/base/*.c))
LIBRARY    := $(BUILD)/libwspush.a $(BUILD)/libwspush.so.0
OBJCOPY    ?= objcopy

$(BUILD)/obj/pic/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(call say,CC,"$< (library)")
	$(Q)$(CC) $(filter-out -fPIE,$(CFLAGS)) -fPIC -c -o $@ $<
$(BUILD)/lib/pic-base.a: $(PIC_BASE)
	@mkdir -p $(@D) && rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/libwspush.so.0: $(PIC_CLIENT) $(BUILD)/lib/pic-base.a ws/client/libwspush.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(filter-out -pie,$(LDFLAGS)) -Wl,-soname,$(@F) -Wl,-z,defs \
	    -Wl,--version-script=ws/client/libwspush.map -o $@ $(filter-out %.map,$^) $(LIBS_client)
$(BUILD)/libwspush.a: $(PIC_CLIENT) $(BUILD)/lib/pic-base.a
	$(call say,AR,$@)
	$(Q)$(CC) -r -nostdlib -o $(BUILD)/obj/pic/wspush.o $^
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='wspush_*' $(BUILD)/obj/pic/wspush.o
	$(Q)rm -f $@ && ar rcs $@ $(BUILD)/obj/pic/wspush.o

# docs/examples, as their readers build them: by libwspush.pc, which here says where this library lies.
EXAMPLES := $(patsubst docs/examples/%.c,$(BUILD)/examples/%,$(wildcard docs/examples/*.c))

$(BUILD)/examples/libwspush.pc: ws/client/libwspush.pc.in VERSION
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(abspath $(BUILD))|' -e 's|@libdir@|$(abspath $(BUILD))|' \
	    -e 's|@includedir@|$(abspath ws/client)|' -e 's|@VERSION@|$(VERSION)|' $< >$@
$(BUILD)/libwspush.so: $(BUILD)/libwspush.so.0
	$(Q)ln -sfn $(<F) $@
$(EXAMPLES): $(BUILD)/examples/%: docs/examples/%.c $(BUILD)/examples/libwspush.pc $(LIBRARY) $(BUILD)/libwspush.so
	$(call say,CC,$<)
	$(Q)$(CC) -O2 -g -Wall -Wextra -Werror $(SAN) -o $@ $< $$(PKG_CONFIG_PATH=$(@D) pkg-config --cflags --libs libwspush) \
	    -Wl,--as-needed -lfcgi -Wl,-rpath,$(abspath $(BUILD))
$(BUILD)/t/system/test_examples: | $(EXAMPLES)

.PHONY: library install uninstall dist deb
library: $(LIBRARY) ## libwspush.a and libwspush.so.0, which `make install` installs too

install: $(PROGRAMS) $(LIBRARY) ## install below PREFIX (/usr/local) and in /etc, or into DESTDIR; never over a changed file in /etc
	@$(foreach v,$(INSTALL_VARIABLES),$(v)='$($(v))') VERSION='$(VERSION)' conf/install.sh install $(BUILD)

uninstall: ## remove what `make install`, told the same, has installed; changed files in /etc stay
	@$(foreach v,$(INSTALL_VARIABLES),$(v)='$($(v))') VERSION='$(VERSION)' conf/install.sh uninstall $(BUILD)

dist: ## build/wspush-VERSION.tar.gz: from one commit always the same bytes
	@conf/dist.sh $(BUILD)/wspush-$(VERSION).tar.gz

deb: ## build/wspush_VERSION_ARCH.deb, built from a clean copy of the tree
	@conf/install-deps.sh build deb
	@conf/deb.sh $(BUILD)
