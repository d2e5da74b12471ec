# SPDX-License-Identifier: GPL-2.0-or-later
#
# make help lists the targets. Sources are found by folder: a new file in src/<folder>, tests/unit/<folder>,
# tests/programs or tests/fuzz needs no change here.

O ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
CC := gcc
CXX := g++
CLANG ?= clang

comma := ,

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
MAKEFLAGS += --no-print-directory
say = @printf '  %-5s %s\n'
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(filter 1,$(WERROR)),-Werror)
CXX_WARNINGS := -Wall -Wextra -Wshadow $(if $(filter 1,$(WERROR)),-Werror)
# -D_GNU_SOURCE= and not =1: the same as a "#define _GNU_SOURCE" in a file, so both may stand.
COMMON := -std=gnu11 -D_GNU_SOURCE= -O2 -g -Isrc -MMD -MP
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS ?=

# The programs in bpf/ need clang, bpftool, libbpf and the type information (BTF) of the running kernel; without one of
# these everything else is built. BPF=0 leaves them out.
BPFTOOL ?= $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v bpftool)
BTF ?= /sys/kernel/btf/vmlinux
BPF_MISSING := $(if $(shell command -v $(CLANG)),,clang) $(if $(BPFTOOL),,bpftool) $(if $(wildcard $(BTF)),,$(BTF)) \
    $(if $(wildcard /usr/include/bpf/libbpf.h),,libbpf-dev)
BPF ?= $(if $(strip $(BPF_MISSING)),0,1)
BPF_FLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall

# gcc 12 tests thread-local addresses for NULL with flags that a lea in between does not set: false alarms.
CAPTURE_OBJECT_FLAGS := -fexceptions $(if $(SAN),-fno-sanitize=null)
TOOL_LIBS := -ldw -lelf -ljansson -lyaml -lprotobuf-c -lz -lncursesw -ltinfo -lstdc++ -lm $(if $(filter 1,$(BPF)),-lbpf)

# The recorder runs inside other people's programs: hidden symbols, TLS that needs no allocation, unwind tables so that
# exceptions and cancellation pass through. It is preloaded, so it is never built with a sanitizer.
SHIM_FLAGS := -fPIC -fvisibility=hidden -ftls-model=initial-exec -fexceptions -fasynchronous-unwind-tables \
    -U_FORTIFY_SOURCE -fno-plt
SHIM_MAP := $(wildcard src/capture/cprobe.map)
SHIM_LDFLAGS := -shared -Wl,-soname,libcprobe.so -Wl,-z,relro -Wl,-z,now -Wl,--no-undefined \
    $(addprefix -Wl$(comma)--version-script=,$(SHIM_MAP))

# What each folder may use; scripts/check-layers holds the #include lines to the same order.
FOLDERS := base python jit trace wire capture kernel analysis store report cli
USES_base := base
USES_python := python
USES_jit := jit
USES_trace := trace base
USES_wire := wire base
USES_capture := capture wire python trace base
USES_kernel := kernel python jit trace base
USES_analysis := analysis jit wire trace base
USES_store := store $(USES_analysis)
USES_report := report $(USES_analysis)
USES_cli := cli report store kernel python $(USES_analysis)

sources = $(filter-out %.bpf.c src/kernel/$(if $(filter 1,$(BPF)),programs_absent,programs).c,$(wildcard src/$(1)/*.c))
objects = $(patsubst %.c,$(O)/obj/%.o,$(filter-out src/cli/main.c,$(call sources,$(1)))) $(MADE_$(1))
# Objects whose source is made by the build.
MADE_report := $(O)/made/pprof.pb-c.o $(O)/made/page.o
archives = $(patsubst %,$(O)/lib%.a,$(1))

SHIM_SOURCES := $(call sources,base) $(call sources,capture) $(call sources,python) $(call sources,wire) $(filter-out src/trace/reader%,$(wildcard src/trace/writer*.c))
SHIM_OBJECTS := $(SHIM_SOURCES:%.c=$(O)/shim/%.o)

UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(O)/%)
UNIT_SUPPORT := $(patsubst %.c,$(O)/obj/%.o,$(filter-out $(UNIT_SOURCES),$(wildcard tests/unit/*/*.c)))

# tests/programs: X.c and X.cc give X, X.static.c a static X, X.so.c a library X.so.
PROGRAM_C := $(filter-out %.static.c %.so.c,$(wildcard tests/programs/*.c))
PROGRAM_STATIC := $(wildcard tests/programs/*.static.c)
PROGRAM_SO := $(wildcard tests/programs/*.so.c)
PROGRAM_CXX := $(wildcard tests/programs/*.cc)
PROGRAMS := $(PROGRAM_C:%.c=$(O)/%) $(PROGRAM_STATIC:%.static.c=$(O)/%) $(PROGRAM_SO:%.so.c=$(O)/%.so) \
    $(PROGRAM_CXX:%.cc=$(O)/%)
BENCH_PROGRAMS := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/*.c))

FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJECTS := $(patsubst %.c,$(O)/fuzz/%.o,$(foreach f,base jit trace wire analysis,$(call sources,$(f))))

.PHONY: bpf-note all tests unit programs check lint demo fuzz bench install clean help cprobe libcprobe.so
.DELETE_ON_ERROR:
.SECONDARY:

all: libcprobe.so cprobe bpf-note
bpf-note:
	$(if $(filter 1,$(BPF)),@:,@echo '  NOTE  built without eBPF (cprobe record): $(or $(strip $(BPF_MISSING)),BPF=0)$(if $(strip $(BPF_MISSING)), missing)')
libcprobe.so: $(O)/libcprobe.so
cprobe: $(O)/cprobe

$(O)/libcprobe.so: $(SHIM_OBJECTS) $(SHIM_MAP) scripts/check-shim
	$(say) LINK $@
	$(Q)$(CC) $(SHIM_LDFLAGS) -o $@ $(SHIM_OBJECTS)
	$(Q)scripts/check-shim $@

$(O)/shim/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(COMMON) $(WARNINGS) $(SHIM_FLAGS) $(CFLAGS) -c -o $@ $<

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(COMMON) $(WARNINGS) $(SANITIZE) $(if $(findstring src/capture/,$<),$(CAPTURE_OBJECT_FLAGS)) \
	    $(if $(findstring /kernel/,$<),-I. -I$(O)) -Itests/unit $(CFLAGS) \
	    -c -o $@ $<

$(O)/made/pprof.pb-c.c: src/report/pprof.proto
	@mkdir -p $(@D)
	$(say) PROTO $<
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(@D) $<
$(O)/made/pprof.pb-c.o: $(O)/made/pprof.pb-c.c
	$(say) CC $<
	$(Q)$(CC) -std=gnu11 -O2 -g $(SANITIZE) -c -o $@ $<
$(O)/made/page/page.html: $(wildcard src/report/page/*) scripts/build-page
	@mkdir -p $(@D)
	$(say) PAGE $@
	$(Q)scripts/build-page $@
$(O)/made/page.o: src/report/page.S $(O)/made/page/page.html
	$(say) AS $<
	$(Q)$(CC) -Wa,-I$(O)/made/page -c -o $@ $<
$(O)/obj/src/report/flame_pprof.o: $(O)/made/pprof.pb-c.c
$(O)/obj/src/report/flame_pprof.o $(O)/obj/tests/unit/report/test_flame_pprof.o: COMMON += -I$(O)/made
$(O)/obj/tests/unit/report/test_flame_pprof.o: $(O)/made/pprof.pb-c.c
$(O)/bpf/vmlinux.h: $(BTF)
	@mkdir -p $(@D)
	$(say) BTF $@
	$(Q)$(BPFTOOL) btf dump file $(BTF) format c > $@
# compat.bpf.h declares what an older kernel's vmlinux.h lacks.
$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) $(O)/bpf/vmlinux.h
	$(say) CLANG $<
	$(Q)$(CLANG) $(BPF_FLAGS) $(if $(shell grep -s '^struct bpf_task_work {' $(O)/bpf/vmlinux.h),-DCPROBE_HAS_TASK_WORK) \
	    -I$(O)/bpf -Ibpf -c -o $@ $<
$(O)/bpf/%.skel.h: $(O)/bpf/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@
$(O)/obj/src/kernel/programs.o: $(O)/bpf/offcpu.skel.h

define folder_archive
$(O)/lib$(1).a: $(call objects,$(1))
	$(say) AR $$@
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $(call objects,$(1))
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_archive,$(f))))

$(O)/cprobe: $(O)/obj/src/cli/main.o $(call archives,$(USES_cli))
	$(say) LINK $@
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(TOOL_LIBS)

# A unit test links its own folder and those below it. libc stands before the archives, so that the recorder's own
# definitions of recv and the like are not drawn into a test that only calls them.
define unit_folder
$(O)/tests/unit/$(1)/test_%: $(O)/obj/tests/unit/$(1)/test_%.o $(UNIT_SUPPORT) $(call archives,$(sort trace $(USES_$(1))))
	@mkdir -p $$(@D)
	$(say) LINK $$@
	$(Q)$(CC) $(SANITIZE) -pthread -o $$@ $$< $(UNIT_SUPPORT) -lcmocka -lc \
	    -Wl,--start-group $(call archives,$(sort trace $(USES_$(1)))) -Wl,--end-group $(TOOL_LIBS) -ldl $(UNIT_LIBS_$(1))
endef
UNIT_LIBS_capture := -lunwind -lunwind-x86_64
$(foreach f,$(FOLDERS),$(eval $(call unit_folder,$(f))))

PROGRAM_FLAGS := -std=gnu11 -O1 -g -pthread -MMD -MP $(WARNINGS)
program = @mkdir -p $(@D); printf '  %-5s %s\n' CC $<

$(O)/tests/programs/%: tests/programs/%.c
	$(program)
	$(Q)$(CC) $(PROGRAM_FLAGS) -o $@ $< -ldl -lrt
$(O)/tests/programs/%: tests/programs/%.static.c
	$(program)
	$(Q)$(CC) $(PROGRAM_FLAGS) -static -o $@ $<
$(O)/tests/programs/%.so: tests/programs/%.so.c
	$(program)
	$(Q)$(CC) $(PROGRAM_FLAGS) -fPIC -shared -o $@ $<
$(O)/tests/programs/%: tests/programs/%.cc
	$(program)
	$(Q)$(CXX) -std=gnu++17 -O1 -g -pthread -MMD -MP $(CXX_WARNINGS) -o $@ $<
$(O)/tests/bench/%: tests/bench/%.c $(call archives,trace base)
	$(program)
	$(Q)$(CC) $(COMMON) $(WARNINGS) -Itests/unit -pthread -o $@ $< $(call archives,trace base)

# Parts of the recorder, without the calls that lead to them.
$(O)/tests/bench/requests: tests/bench/requests.c $(call archives,$(USES_capture))
	$(program)
	$(Q)$(CC) $(COMMON) $(WARNINGS) -Itests/unit -pthread -o $@ $< -lcmocka -lc \
	    -Wl,--start-group $(call archives,$(USES_capture)) -Wl,--end-group -ldl $(UNIT_LIBS_capture)

unit: $(UNIT_TESTS)
programs: $(PROGRAMS)
tests: unit programs

check:
	$(Q)$(if $(filter 1,$(CPROBE_SKIP_DEPS)),:,scripts/install-deps.sh)
	$(Q)$(MAKE) all tests
	$(Q)BUILD=$(abspath $(O)) tests/run

lint: $(O)/made/pprof.pb-c.c
	$(Q)BUILD=$(abspath $(O)) scripts/lint all

demo:
	$(Q)$(if $(filter 1,$(CPROBE_SKIP_DEPS)),:,scripts/install-deps.sh)
	$(Q)$(MAKE) all
	$(Q)BUILD=$(abspath $(O)) scripts/demo.py

bench: all $(BENCH_PROGRAMS) programs
	$(Q)BUILD=$(abspath $(O)) /usr/bin/python3 tests/bench/bench.py $(BENCH)

# libFuzzer: https://llvm.org/docs/LibFuzzer.html
$(O)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(say) CLANG $<
	$(Q)$(CLANG) $(COMMON) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -c -o $@ $<
$(O)/fuzz/libfuzzed.a: $(FUZZ_OBJECTS)
	$(say) AR $@
	@rm -f $@
	$(Q)ar rcs $@ $^
$(O)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(O)/fuzz/libfuzzed.a
	@mkdir -p $(@D)
	$(say) CLANG $<
	$(Q)$(CLANG) $(COMMON) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< \
	    $(O)/fuzz/libfuzzed.a $(TOOL_LIBS)

fuzz: $(FUZZ_TARGETS)
	$(Q)set -e; for target in $(FUZZ_TARGETS); do \
	    name=$${target##*/fuzz_}; work=$(O)/tests/fuzz/work-$$name; mkdir -p $$work tests/fuzz/corpus/$$name; \
	    echo "fuzz $$name: $(FUZZ_SECONDS) s"; \
	    $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -max_len=131072 -artifact_prefix=$$work/ \
	        -print_final_stats=1 -verbosity=0 $$work tests/fuzz/corpus/$$name; \
	done

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/cprobe $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/include
	install -m 755 $(O)/cprobe $(DESTDIR)$(PREFIX)/bin/cprobe
	install -m 644 $(O)/libcprobe.so $(DESTDIR)$(PREFIX)/lib/cprobe/libcprobe.so
	install -m 644 src/cli/cprobe.1 $(DESTDIR)$(PREFIX)/share/man/man1/cprobe.1
	install -m 644 src/capture/cprobe.h $(DESTDIR)$(PREFIX)/include/cprobe.h

clean:
	$(Q)rm -rf $(O)

help:
	@echo 'make            build $(O)/libcprobe.so (the recorder) and $(O)/cprobe (the reader)'
	@echo 'make demo       see it work: a gevent server whose C drivers block it, then the repaired one'
	@echo 'make check      install what is needed, build, run all tests; CPROBE_SKIP_DEPS=1 installs nothing'
	@echo 'make lint       formatting, layers, clang-tidy, cppcheck, shellcheck'
	@echo 'make fuzz       libFuzzer on every target, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make bench      what recording costs, beside a bare run; BENCH="pair start" runs some'
	@echo 'make install    into DESTDIR/PREFIX=$(PREFIX)'
	@echo 'make clean      remove $(O)'
	@echo 'BPF=0 leaves out recording through the kernel; it is left out where clang, bpftool, libbpf or BTF are missing'
	@echo 'O=DIR builds elsewhere, V=1 shows commands, WERROR=1 makes warnings errors; SAN=address,undefined (with an O=DIR of its own)'
	@echo 'sanitizes the command and the unit tests. tests/run unit/trace or e2e/gevent runs some tests.'

-include $(shell find $(O) -name '*.d' 2>/dev/null)
