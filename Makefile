# RA. `make` builds the programs in build/, `make check` tests them, `make install` copies programs, manual pages and
# sample configurations to PREFIX (/usr/local), below DESTDIR. Switches: V=1 shows commands, WERROR=1 makes warnings
# errors, SAN=address,undefined or SAN=thread builds and checks in build-SAN/, COVERAGE=1 in build-coverage/.

CC ?= gcc
PROTOC_C ?= protoc-c
comma := ,
VARIANT := $(if $(SAN),-$(subst $(comma),-,$(SAN)),$(if $(COVERAGE),-coverage,))
BUILD := build$(VARIANT)

LIBRARIES := libevent_core libprotobuf-c openssl jansson inih libxxhash blkid
CPPFLAGS += -D_GNU_SOURCE -I. -Icommon -I$(BUILD)/gen $(shell pkg-config --cflags $(LIBRARIES))
WARNINGS := -Wall -Wextra -Wformat=2 -Wconversion -Wsign-conversion -Wimplicit-fallthrough -Wshadow -Wvla \
	-Wstrict-prototypes -Wmissing-prototypes -Wbidi-chars=any -Werror=format-security -Werror=implicit \
	-Werror=incompatible-pointer-types -Werror=int-conversion $(if $(WERROR),-Werror)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero \
	-fno-strict-overflow -fno-delete-null-pointer-checks -fPIE
SANITIZERS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPTIMISE := $(if $(SAN)$(COVERAGE),-O1 -U_FORTIFY_SOURCE,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
CFLAGS += -std=c11 -g $(OPTIMISE) $(HARDENING) $(SANITIZERS) $(if $(COVERAGE),--coverage)
LDFLAGS += -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed $(SANITIZERS) \
	$(if $(COVERAGE),--coverage)
LDLIBS := $(shell pkg-config --libs $(LIBRARIES)) -lpthread

PREFIX ?= /usr/local
MANUALS := $(wildcard conf/*.[0-9] secondary/*.[0-9] primary/*.[0-9] primary/*/*.[0-9])
EXAMPLE_UNITS := conf/systemd/ra-alert@.service
UNITS := $(filter-out $(EXAMPLE_UNITS),$(wildcard conf/systemd/*.service conf/systemd/*.timer conf/systemd/*.socket))
EXAMPLES := $(wildcard conf/*.conf conf/systemd/*.conf conf/prometheus/*.yml conf/*.json) $(EXAMPLE_UNITS)
PROGRAMS := ra-primaryd ra-secondaryd ra-compare ra-ctl
MAINS := primary/main.c secondary/main.c primary/compare/main.c primary/ctl/main.c
COMMON := $(wildcard common/*/*.c)
PARTS := $(filter-out $(MAINS),$(wildcard secondary/*.c primary/*.c primary/compare/*.c primary/ctl/*.c))
SUPPORT := $(wildcard tests/support/*.c)
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
REPLAY := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH := $(addprefix $(BUILD)/bench/,fairness bound_digest bound_tls measure)
FUZZ := $(patsubst tests/fuzz/%.c,build-fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS := $(addprefix $(BUILD)/tests/,relay reader crowd heard replicator)
PRELOAD := $(patsubst tests/support/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/support/preload/*.c))

OBJECT = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
GEN := $(BUILD)/gen/ra.pb-c.h
GENERATED_OBJECT := $(BUILD)/obj/gen/ra.pb-c.o
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)";)

.PHONY: all check check-unit fuzz clean install tests
.SECONDARY:
.DELETE_ON_ERROR:
all: $(addprefix $(BUILD)/,$(PROGRAMS))

$(BUILD)/ra-primaryd: $(call OBJECT,primary/main.c)
$(BUILD)/ra-secondaryd: $(call OBJECT,secondary/main.c)
$(BUILD)/ra-compare: $(call OBJECT,primary/compare/main.c)
$(BUILD)/ra-ctl: $(call OBJECT,primary/ctl/main.c)
$(addprefix $(BUILD)/,$(PROGRAMS)): $(BUILD)/libra.a
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libra.a $(LDLIBS)

# All parts but the mains; the linker takes what a program needs.
$(BUILD)/libra.a: $(call OBJECT,$(COMMON) $(PARTS)) $(GENERATED_OBJECT)
	$(call say,AR $@)rm -f $@ && ar rcs $@ $^

$(BUILD)/gen/ra.pb-c.c $(GEN) &: proto/ra.proto
	@mkdir -p $(BUILD)/gen
	$(call say,PROTOC $<)$(PROTOC_C) -Iproto --c_out=$(BUILD)/gen ra.proto

$(GENERATED_OBJECT): $(BUILD)/gen/ra.pb-c.c
	@mkdir -p $(@D)
	$(call say,CC $<)$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(call say,CC $<)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/test_%: $(BUILD)/obj/tests/unit/test_%.o $(call OBJECT,$(SUPPORT)) $(BUILD)/libra.a
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# Programs of functional tests: what stands between two daemons, an honest primary, strangers, a service manager's ear, and
# a replication.
$(BUILD)/tests/relay: $(call OBJECT,tests/support/relay/relay.c) $(BUILD)/libra.a
$(BUILD)/tests/reader: $(call OBJECT,tests/support/peers/reader.c) $(BUILD)/libra.a
$(BUILD)/tests/crowd: $(call OBJECT,tests/support/peers/crowd.c) $(BUILD)/libra.a
$(BUILD)/tests/heard: $(call OBJECT,tests/support/peers/heard.c)
$(BUILD)/tests/replicator: $(call OBJECT,tests/support/replicator/replicator.c) $(BUILD)/libra.a
$(TOOLS):
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# These let a test replace a cache entry between its find and its lock.
$(BUILD)/tests/test_read $(BUILD)/tests/test_read_digest $(BUILD)/tests/test_delivery: LDFLAGS += -Wl,--wrap=cache_lock
# This one sees each frame of a link leave and arrive.
$(BUILD)/tests/test_link_cut: LDFLAGS += -Wl,--wrap=output_push,--wrap=reader_took
# These refuse memory for a slot.
$(BUILD)/tests/test_stream $(BUILD)/tests/test_engine_digest: LDFLAGS += -Wl,--wrap=shm_fill
# This one lets each step of a write fail, or be the last.
$(BUILD)/tests/test_state_file: LDFLAGS += -Wl,--wrap=write,--wrap=fsync,--wrap=rename
# These move the clock that counts of the log go by.
$(BUILD)/tests/test_log $(BUILD)/tests/test_daemon: LDFLAGS += -Wl,--wrap=clock_gettime
# And these let state files hang.
$(BUILD)/tests/test_keep: LDFLAGS += -Wl,--wrap=state_read,--wrap=state_write
$(BUILD)/tests/test_reports: LDFLAGS += -Wl,--wrap=state_write
$(BUILD)/tests/test_record $(BUILD)/tests/test_proof: LDFLAGS += -Wl,--wrap=state_read
$(BUILD)/tests/test_record $(BUILD)/tests/test_local_layout: LDFLAGS += -Wl,--wrap=layout_probe
# This one holds reads and writes of a state file, or lets them fail.
$(BUILD)/tests/test_invalid_table: LDFLAGS += -Wl,--wrap=state_read,--wrap=state_write,--wrap=state_lock
# This one counts what is lent to pipes, and lets it fail.
$(BUILD)/tests/test_tls_sink: LDFLAGS += -Wl,--wrap=vmsplice
# This one says itself how large a pipe is.
$(BUILD)/tests/test_ends: LDFLAGS += -Wl,--wrap=fcntl
# And this one says itself what a certificate proves.
$(BUILD)/tests/test_peer: LDFLAGS += -Wl,--wrap=tls_proof_has_name

# What is measured by hand, and what scripts/bench takes.
$(BUILD)/bench/fairness: $(call OBJECT,tests/bench/fairness.c $(SUPPORT)) $(BUILD)/libra.a
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(BUILD)/bench/bound_%: $(BUILD)/obj/tests/bench/bound_%.o $(call OBJECT,tests/bench/bound.c)
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bench/measure: $(call OBJECT,tests/bench/measure.c)
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# The fuzz targets with a main that replays their corpus, for `make check`.
$(BUILD)/tests/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(BUILD)/libra.a
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/%.so: tests/support/preload/%.c
	@mkdir -p $(@D)
	$(call say,CC $<)$(CC) -D_GNU_SOURCE -std=c11 -g -O1 $(WARNINGS) -fPIC -shared -o $@ $< -ldl

# `make fuzz`, then build-fuzz/fuzz_NAME tests/fuzz/corpus/NAME -max_total_time=60
fuzz: $(FUZZ)
FUZZ_CFLAGS := -std=c11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -w
build-fuzz/fuzz_%: build-fuzz/obj/tests/fuzz/fuzz_%.o build-fuzz/libra.a
	$(call say,LD $@)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
build-fuzz/libra.a: $(patsubst %.c,build-fuzz/obj/%.o,$(COMMON) $(PARTS)) build-fuzz/obj/gen/ra.pb-c.o
	$(call say,AR $@)rm -f $@ && ar rcs $@ $^
build-fuzz/obj/gen/ra.pb-c.o: $(BUILD)/gen/ra.pb-c.c
	@mkdir -p $(@D)
	$(call say,FUZZ $<)clang $(CPPFLAGS) $(FUZZ_CFLAGS) -c -o $@ $<
build-fuzz/obj/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(call say,FUZZ $<)clang $(CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

tests: all $(UNIT) $(REPLAY) $(PRELOAD) $(TOOLS) $(BENCH)

check-unit: $(UNIT)
	@BUILD=$(BUILD) SAN=$(SAN) tests/run unit

check: tests
	@BUILD=$(BUILD) SAN=$(SAN) CC="$(CC)" tests/run static unit corpus functional $(if $(RA_LONG),container)

# Units name the programs where they are. All programs go to bin: `ssh HOST ra-secondaryd` finds no sbin for most users.
DOC := $(DESTDIR)$(PREFIX)/share/doc/ra
COMPLETIONS := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DOC)/examples $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 7 8) \
		$(COMPLETIONS) $(addprefix $(DESTDIR)$(PREFIX)/lib/,systemd/system sysusers.d tmpfiles.d)
	install $(addprefix $(BUILD)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	for page in $(MANUALS); do install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} || exit 1; done
	for page in $(addsuffix .8,$(notdir $(UNITS) $(EXAMPLE_UNITS))); do \
		echo .so man7/ra-units.7 >$(DESTDIR)$(PREFIX)/share/man/man8/$$page && \
		chmod 644 $(DESTDIR)$(PREFIX)/share/man/man8/$$page || exit 1; done
	for page in primary.conf secondary.conf; do \
		echo .so man5/ra.conf.5 >$(DESTDIR)$(PREFIX)/share/man/man5/$$page.5 && \
		chmod 644 $(DESTDIR)$(PREFIX)/share/man/man5/$$page.5 || exit 1; done
	install -m 644 conf/completion/ra $(COMPLETIONS)/ra-ctl
	for program in $(filter-out ra-ctl,$(PROGRAMS)); do ln -sf ra-ctl $(COMPLETIONS)/$$program || exit 1; done
	for unit in $(UNITS); do \
		sed 's,/usr/bin/ra-,$(PREFIX)/bin/ra-,' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} && \
		chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
	install -m 644 conf/systemd/ra.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/ra.conf
	install -m 644 conf/systemd/ra.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/ra.conf
	install -m 644 $(EXAMPLES) $(DOC)/examples
	install -m 644 README.md $(DOC)

clean:
	rm -rf build build-*

-include $(shell find $(BUILD)/obj build-fuzz/obj -name '*.d' 2>/dev/null)
