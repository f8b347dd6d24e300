# wspush. `make help` lists the targets; README.md shows the two that matter: `make run` and `make check`.

VARIANT ?=
BUILD   := build$(if $(VARIANT),/$(VARIANT))
PORT    ?= 8080
VERSION := $(shell cat VERSION)
# `make V=1` shows the commands.
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))
CC      := gcc

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla \
        -Wformat=2 -Wundef -Werror=implicit-function-declaration
OPT  := -O2 -g -fno-omit-frame-pointer
# Hardening; t/hardening.sh looks at the programs with readelf. What an older or another compiler has not is left out.
takes    = $(if $(shell $(CC) -Werror $(1) -x c -E /dev/null >/dev/null 2>&1 && echo yes),$(1))
FORTIFY := $(if $(shell test "$$($(CC) -dumpversion 2>/dev/null)" -ge 12 2>/dev/null && echo yes),3,2)
HARD := -fPIE -D_FORTIFY_SOURCE=$(FORTIFY) -fstack-protector-strong -fstack-clash-protection \
        $(call takes,-fcf-protection=full) $(call takes,-mbranch-protection=standard)
HARD_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
SAN  :=
ifeq ($(VARIANT),asan)
SAN  := -fsanitize=address,undefined -fno-sanitize-recover=all
OPT  := -O1 -g -fno-omit-frame-pointer
HARD :=
HARD_LD :=
endif
ifeq ($(VARIANT),tsan)
SAN  := -fsanitize=thread
OPT  := -O1 -g -fno-omit-frame-pointer
HARD :=
HARD_LD :=
endif

ifeq ($(VARIANT),coverage)
SAN  := --coverage -fprofile-update=atomic -DWSPUSH_COVERAGE
OPT  := -O0 -g
HARD :=
HARD_LD :=
endif

override CFLAGS  += -std=c11 -D_GNU_SOURCE -DWSPUSH_VERSION='"$(VERSION)"' $(OPT) $(WARN) $(HARD) $(SAN) -pthread \
                    -Iws -MMD -MP
override LDFLAGS += $(SAN) -pthread -Wl,--as-needed $(HARD_LD)

# A room is a folder of ws/; each becomes one archive. The order is the layering: a room uses only rooms before it.
ROOMS       := base wire loop push engine control
room         = $(BUILD)/lib/$(1).a
objects      = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))
up_to        = $(if $(filter $(1),$(ROOMS)),$(shell echo "$(ROOMS)" | sed 's/\b$(1)\b.*/$(1)/'),$(1))
reverse      = $(if $(1),$(call reverse,$(wordlist 2,99,$(1))) $(firstword $(1)))
LIBS_base   := -lconfuse -lnettle -lsystemd
LIBS_wire   := -lwslay -lz -ljansson
LIBS_worker := $(LIBS_base) $(LIBS_wire)
LIBS_client := -lhiredis
LIBS_check  := $(shell pkg-config --libs check 2>/dev/null || echo -lcheck -lsubunit -lrt -lm)

PROGRAMS := $(BUILD)/wspushd $(BUILD)/wspush-fcgi $(BUILD)/wsctl

.PHONY: all asan tsan
all: $(PROGRAMS)
asan tsan: ## build/asan or build/tsan: the programs under AddressSanitizer and UBSan, or ThreadSanitizer
	@$(MAKE) --no-print-directory VARIANT=$@ all

$(BUILD)/wspushd: $(BUILD)/obj/ws/wspushd.o $(foreach r,$(call reverse,$(ROOMS)),$(call room,$(r)))
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_worker)
# These two link libwspush's objects, not its archive: a name that is theirs too is then an error, and not one of the two.
$(BUILD)/wspush-fcgi: $(call objects,fcgi) $(call objects,ws/client) $(call room,base)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lfcgi $(LIBS_client) $(LIBS_base)
$(BUILD)/wsctl: $(BUILD)/obj/ws/wsctl.o $(call objects,ws/ctl) $(call objects,ws/client) $(call room,base)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_client) $(LIBS_base) -ledit

define room_rule
$(call room,$(1)): $(call objects,ws/$(1))
	@mkdir -p $$(@D) && rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS) client,$(eval $(call room_rule,$(r))))

$(BUILD)/obj/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# ---- tests -----------------------------------------------------------------------------------------------------
# t/unit/ROOM/test_X.c links ROOM and the rooms below it, and nothing else: the link is the boundary test.
UNIT_SRC   := $(wildcard t/unit/*/test_*.c)
UNIT_BIN   := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
SYSTEM_SRC := $(wildcard t/system/test_*.c)
SYSTEM_BIN := $(patsubst %.c,$(BUILD)/%,$(SYSTEM_SRC))
SYSTEM_LIB := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(SYSTEM_SRC),$(wildcard t/system/*.c)))

define unit_rule
$(BUILD)/t/unit/$(1)/%: $(BUILD)/obj/t/unit/$(1)/%.o $(foreach r,$(call reverse,$(call up_to,$(1))),$(call room,$(r))) $(if $(filter client,$(1)),$(call room,base))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIBS_check) $(if $(filter client,$(1)),$$(LIBS_client) $$(LIBS_base),$$(LIBS_worker))
endef
$(foreach r,$(ROOMS) client,$(eval $(call unit_rule,$(r))))

$(BUILD)/t/system/test_%: $(BUILD)/obj/t/system/test_%.o $(SYSTEM_LIB) $(call room,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_check) $(LIBS_base) -lz

# What tests load into a daemon (LD_PRELOAD).
SHIM := $(BUILD)/t/system/shim.so
$(SHIM): t/system/preload/shim.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=c11 $(WARN) -O1 -g -fPIC -shared -o $@ $<
$(BUILD)/t/system/test_faults $(BUILD)/t/system/test_attacks: | $(SHIM)

.PHONY: tests check check-asan check-tsan check-interop check-terminal check-browser check-compose check-package check-dropin check-docs
tests: $(PROGRAMS) $(UNIT_BIN) $(SYSTEM_BIN)

check: ## install what is missing, build, run unit and system tests
	@conf/install-deps.sh build check
	@$(MAKE) --no-print-directory -j2 tests
	@t/run-tests.sh $(BUILD) $(UNIT_BIN) $(SYSTEM_BIN)

check-asan check-tsan: check-%: ## the same under AddressSanitizer and UBSan, or ThreadSanitizer
	@conf/install-deps.sh build check
	@$(MAKE) --no-print-directory -j2 VARIANT=$* tests
	@$(MAKE) --no-print-directory VARIANT=$* run-tests
.PHONY: run-tests
run-tests:
	@t/run-tests.sh $(BUILD) $(UNIT_BIN) $(SYSTEM_BIN)

# What the tests of these two rooms reach; their lines are what bytes from outside meet first.
COVERED := $(filter $(BUILD)/t/unit/wire/% $(BUILD)/t/system/%,$(UNIT_BIN) $(SYSTEM_BIN))
.PHONY: coverage run-coverage
coverage: ## lines and branches of ws/wire and ws/control that the tests run: 97 % and 90 % at least
	@conf/install-deps.sh build check coverage
	@$(MAKE) --no-print-directory -j2 VARIANT=coverage tests
	@$(MAKE) --no-print-directory VARIANT=coverage run-coverage
run-coverage:
	@find $(BUILD) -name '*.gcda' -delete
	@t/run-tests.sh $(BUILD) $(COVERED)
	@for room in ws/wire/ ws/control/; do gcovr --root . --object-directory $(BUILD)/obj --filter $$room --print-summary \
	    --fail-under-line 97 --fail-under-branch 90 || exit 1; done

# t/guard: instructions of fixed pieces of work, which no other load on the machine changes.
GUARD := $(BUILD)/t/guard/scenarios
$(GUARD): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard t/guard/*.c)) $(foreach r,$(call reverse,$(ROOMS)),$(call room,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_worker)

.PHONY: guard
guard: ## what the hot paths cost in instructions, beside t/guard/counts.txt; ACCEPT=1 keeps the new figures
	@conf/install-deps.sh build guard
	@$(MAKE) --no-print-directory $(if $(V),,-s) -j2 $(GUARD)
	@t/guard/run.sh $(BUILD) $(ACCEPT)

# t/bench: a load client and the minimal server ("floor") that the budgets are compared with; Python drives them.
bench_objs   = $(call objects,t/bench/$(1)) $(patsubst %,$(BUILD)/obj/t/bench/%.o,must net)

$(BUILD)/t/bench/load: $(call bench_objs,load)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^
$(BUILD)/t/bench/floor: $(call bench_objs,floor)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lnettle

.PHONY: bench bench-peers
bench: ## every budget beside the floor; QUICK=1: two minutes, each once; CURVES=1: draws docs/performance too
	@conf/install-deps.sh build run bench
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/bench/load $(BUILD)/t/bench/floor
	@timeout -k 30 2400 t/bench/bench.py $(if $(QUICK),--quick) $(if $(CURVES),--curves) $(BUILD)

bench-peers: ## nchan and the npm module ws beside ours behind nginx; QUICK=1; DOCS=1 writes docs/performance/peers.md
	@conf/install-deps.sh build run bench peers
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/bench/load $(BUILD)/t/bench/floor
	@timeout -k 30 1200 t/bench/peers.py $(if $(QUICK),--quick) $(if $(DOCS),--docs) $(BUILD)

$(BUILD)/t/bench/tables: $(BUILD)/obj/t/bench/tables.o $(BUILD)/obj/t/bench/must.o $(foreach r,$(call reverse,$(call up_to,push)),$(call room,$(r)))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_worker)

.PHONY: bench-growth
bench-growth: ## what each more client and channel costs, and a million of them; QUICK=1; DOCS=1 writes docs/performance/growth.md
	@conf/install-deps.sh build run bench
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/bench/load $(BUILD)/t/bench/tables
	@timeout -k 30 1200 t/bench/growth.py $(if $(QUICK),--quick) $(if $(DOCS),--docs) $(BUILD)

check-interop: ## redis-cli, Redis libraries and WebSocket clients of other people against our programs
	@conf/install-deps.sh build check interop
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/interop/lws
	@t/interop/run.sh $(BUILD)
	@$(MAKE) --no-print-directory check-echo

$(BUILD)/t/interop/lws: $(BUILD)/obj/t/interop/clients/lws.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lwebsockets
$(BUILD)/t/interop/echo: $(BUILD)/obj/t/interop/echo.o $(SYSTEM_LIB) $(call room,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_check) $(LIBS_base) -lz

check-echo: ## 100 clients, messages of random sizes in random fragments (MESSAGES=100000 in all; else 10,000)
	@conf/install-deps.sh build check
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/interop/echo
	@WSPUSH_BUILD=$(BUILD) ECHO_MESSAGES=$(MESSAGES) $(BUILD)/t/interop/echo
.PHONY: check-echo

check-terminal: ## wsctl's console and tail in a terminal, their screens captured
	@conf/install-deps.sh build check terminal
	@$(MAKE) --no-print-directory -j2 all
	@t/terminal/run.sh $(BUILD)

check-browser: ## the whole scene in Debian's Chromium
	@conf/install-deps.sh build check browser
	@$(MAKE) --no-print-directory -j2 all
	@t/browser/run.sh $(BUILD)

check-compose: ## the Docker image and compose.yaml, with an engine of our own where none runs
	@conf/install-deps.sh compose
	@t/compose/run.sh

check-package: ## the .deb, `make install` and the systemd units, in a bare Debian of their own
	@conf/install-deps.sh build package
	@t/package/run.sh

check-dropin: ## the two includes in a copy of Debian's nginx configuration with a PHP site
	@conf/install-deps.sh build check dropin
	@$(MAKE) --no-print-directory -j2 all
	@t/dropin/run.sh $(BUILD)

check-chaos: ## 200 clients of three kinds, cut off in every way: each message once and in order (CHAOS_SECONDS=60, CHAOS_SEED)
	@conf/install-deps.sh build check chaos
	@$(MAKE) --no-print-directory -j2 all
	@PYTHONDONTWRITEBYTECODE=1 timeout -k 30 900 t/chaos/chaos.py $(BUILD)
.PHONY: check-chaos

check-docs: ## every command of README.md, docs/GUIDE.md and docs/man, every example of docs/CONTROL.md; completion
	@conf/install-deps.sh build check docs
	@$(MAKE) --no-print-directory -j2 all
	@t/docs/run.sh $(BUILD)

# t/weight: programs of their own that watch one worker under load.
WEIGHT_LIB := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/weight.c %/leakcheck.c,$(wildcard t/weight/*.c)))

$(BUILD)/t/weight/%: $(BUILD)/obj/t/weight/%.o $(WEIGHT_LIB) $(SYSTEM_LIB) $(call room,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_check) $(LIBS_base) -lz

.PHONY: leakcheck weight
leakcheck: ## 100,000 connections of ten kinds leave nothing behind
weight: ## attacks: what the worker grows by, gives back, and what others notice
leakcheck weight: %:
	@conf/install-deps.sh build check
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/weight/$@
	@WSPUSH_BUILD=$(BUILD) timeout -k 10 600 $(BUILD)/t/weight/$@

.PHONY: memcheck
memcheck: ## the worker's replies under valgrind
	@conf/install-deps.sh build check memcheck
	@$(MAKE) --no-print-directory -j2 tests
	@t/weight/memcheck.sh $(BUILD)

# ---- fuzzing -----------------------------------------------------------------------------------------------------
# Each t/fuzz/X.c is a target of libFuzzer, which clang brings. It links base, wire and what the responder reads requests
# with, all built by clang, in $(BUILD)/fuzz. FUZZ_EXTRA="-fprofile-instr-generate -fcoverage-mapping" is for llvm-cov, which
# shows what a corpus reaches.
FUZZ_CC     := clang
FUZZ_SAN    := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := -std=c11 -D_GNU_SOURCE -DWSPUSH_VERSION='"$(VERSION)"' -O1 -g -fno-omit-frame-pointer $(WARN) \
               -Wno-format-nonliteral -fsanitize=fuzzer-no-link $(FUZZ_SAN) -Iws -MMD -MP $(FUZZ_EXTRA)
FUZZ_UNDER  := $(wildcard ws/base/*.c ws/wire/*.c) $(addprefix fcgi/,record.c request.c reply.c route.c)
FUZZ_BIN    := $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/*.c))

$(BUILD)/obj/fuzz/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(call say,CC,"$< (fuzzing)")
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<
$(BUILD)/lib/fuzz.a: $(patsubst %.c,$(BUILD)/obj/fuzz/%.o,$(FUZZ_UNDER))
	@mkdir -p $(@D) && rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/fuzz/%: $(BUILD)/obj/fuzz/t/fuzz/%.o $(BUILD)/lib/fuzz.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(FUZZ_SAN) $(FUZZ_EXTRA) -Wl,--as-needed -o $@ $^ $(LIBS_worker) -lfcgi

.PHONY: fuzz-short fuzz fuzzers
fuzzers: $(FUZZ_BIN)

fuzz-short: ## a minute of fuzzing: every target for ten seconds
	@conf/install-deps.sh build fuzz
	@$(MAKE) --no-print-directory -j2 fuzzers
	@t/fuzz/run.sh short $(BUILD) $(notdir $(FUZZ_BIN))

TIME ?= 600
fuzz: ## one target for long: make fuzz TARGET=frames TIME=600; goes on where the last run ended
	@conf/install-deps.sh build fuzz
	@$(MAKE) --no-print-directory -j2 fuzzers
	@t/fuzz/run.sh long $(BUILD) "$(TARGET)" $(TIME)

# ---- figures: benches of one part ----
$(BUILD)/t/bench/receive: $(BUILD)/obj/t/bench/receive.o $(call room,wire) $(call room,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_worker)
$(BUILD)/t/bench/gather: $(BUILD)/obj/t/bench/gather.o $(BUILD)/obj/t/bench/must.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^
$(BUILD)/t/bench/idle: $(BUILD)/obj/t/bench/idle.o $(SYSTEM_LIB) $(call room,base)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_check) $(LIBS_base)

bench-receive: ## how fast clients' bytes become messages, beside plain wslay
	@conf/install-deps.sh build
	@$(MAKE) --no-print-directory -j2 $(BUILD)/t/bench/receive
	@$(BUILD)/t/bench/receive $(ROUNDS)
bench-gather: ## several frames in one system call: by writev, or copied together
	@conf/install-deps.sh build
	@$(MAKE) --no-print-directory $(BUILD)/t/bench/gather
	@$(BUILD)/t/bench/gather $(ROUNDS)
bench-idle: ## bytes of heap of an idle client, with and without deflate
	@conf/install-deps.sh build check
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/t/bench/idle
	@WSPUSH_BUILD=$(BUILD) $(BUILD)/t/bench/idle
.PHONY: bench-receive bench-gather bench-idle

include conf/install.mk

# ---- run, lint, clean ------------------------------------------------------------------------------------------
.PHONY: run install-deps lint layers man static clean help
run: ## install what is missing, build, and serve http://127.0.0.1:8080/test/ (PORT= moves it)
	@conf/install-deps.sh build run
	@$(MAKE) --no-print-directory -j2 all
	@exec conf/run.sh $(BUILD) $(PORT)

install-deps: ## install every Debian package that a target may need
	@conf/install-deps.sh build run check memcheck interop terminal browser chaos compose coverage guard bench deb package dropin docs fuzz lint

layers: ## no room includes a room above it
	@t/layers.sh

man: all ## what docs/man says of commands, options, figures and functions, written anew from where they are
	@docs/man/rows.py $(BUILD)

static: ## static/wspush.js and wspush.global.js, which are served, made anew of static/wspush.src.js
	@conf/wspush-js.sh static

lint: layers ## clang-format, clang-tidy, cppcheck, shellcheck, the manual pages
	@conf/install-deps.sh build check lint
	@t/lint.sh

clean: ## remove what was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z %-]*\):.*## /\1\t/p' Makefile conf/install.mk | expand -t 28

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
