# pg_background: the library is built by cargo, everything else is PGXS.
#
#   make && make install && make installcheck     with the pg_config on PATH, or PG_CONFIG=/path/to/pg_config
#   make PROFILE=dev                              a debug build
#   make demo | test                              see scripts/demo, scripts/test
#   make bench | bench-check | bench-progress     see bench/run, bench/count/run, bench/progress/run
#   make lint | fmt | clean

PG_CONFIG ?= pg_config
PROFILE ?= release

EXTENSION = pg_background
MODULES = pg_background
DATA = $(wildcard sql/*.sql)
# What 3.0 adds stands once, in the update from 1.8. Made of it: the updates from later versions of the C extension; and the script of
# a fresh 3.0, without which CREATE EXTENSION would start from 2.0, for the server prefers the later of two versions that are as near.
DATA_built = sql/built/pg_background--3.0.sql $(patsubst %,sql/built/pg_background--%--3.0.sql,1.9 1.10 2.0)

# --- tests ---

# These first, in this order; every other file of regress/sql follows by name.
REGRESS_FIRST = install basic

# Enough for a server without caches (debug_discard_caches), which is a hundred times slower: REGRESS_SET=cheap.
REGRESS_CHEAP = basic definer inherit spool v1

# Some tests are for servers with a registry of all sessions' jobs (17 and later, or preloaded), some for those without: REGRESS_WITH
# and ISOLATION_WITH_REGISTRY, ..._WITHOUT_REGISTRY. The server is asked when the tests run, in the words that pg_regress is given;
# one that does not answer will not answer pg_regress either.
REGRESS_WITH_REGISTRY = at_commit deadlock_chain queue quotas registry rights rows_elsewhere
REGRESS_WITHOUT_REGISTRY = no_registry
ISOLATION_WITH_REGISTRY = sessions
ISOLATION_WITHOUT_REGISTRY = strangers
ask_registry = '$(bindir)/psql' $(filter --host=% --port=% --user=%,$(REGRESS_OPTS) $(EXTRA_REGRESS_OPTS)) -X -A -t -d postgres -c \
	"SELECT current_setting('server_version_num')::int >= 170000 OR current_setting('shared_preload_libraries') ~ '\mpg_background\M'"
registry = $(eval registry := $(if $(filter t,$(shell $(ask_registry) 2>/dev/null)),WITH,WITHOUT))$(registry)
# $(call for_server,REGRESS,TESTS): those of the tests that are for the server, or for all
for_server = $(filter-out $(if $(filter WITH,$(registry)),$($(1)_WITHOUT_REGISTRY),$($(1)_WITH_REGISTRY)),$(2))

REGRESS_ALL = $(sort $(patsubst regress/sql/%.sql,%,$(wildcard regress/sql/*.sql)))
ifeq ($(REGRESS_SET),cheap)
REGRESS = $(filter $(REGRESS_ALL),$(REGRESS_CHEAP))
else
REGRESS = $(call for_server,REGRESS,$(filter $(REGRESS_ALL),$(REGRESS_FIRST)) $(filter-out $(REGRESS_FIRST),$(REGRESS_ALL)))
endif
# Where results and diffs go: runs on several servers at once need one each.
REGRESS_OUT = regress
REGRESS_OPTS += --inputdir=regress --outputdir=$(REGRESS_OUT)

ISOLATION_SPECS = $(if $(REGRESS_SET),,$(sort $(patsubst regress/isolation/specs/%.spec,%,$(wildcard regress/isolation/specs/*.spec))))
ISOLATION_OPTS += --inputdir=regress/isolation --outputdir=$(REGRESS_OUT)/isolation

EXTRA_CLEAN = sql/built .build-id .build-lock regress/results regress/regression.out regress/regression.diffs \
	regress/isolation/results regress/isolation/regression.out regress/isolation/regression.diffs regress/isolation/output_iso

# --- goals that need no server of their own ---

.DEFAULT_GOAL = all
SCRIPT_GOALS = demo test bench bench-check bench-record bench-progress fmt lint
.PHONY: $(SCRIPT_GOALS)

demo:
	@scripts/demo

test:
	@scripts/test

bench:
	@bench/run

bench-check:
	@bench/count/run

# Of 15, on which CI counts and compares, and of 18, for comparing by hand.
bench-record:
	@for major in 15 18; do PG_CONFIG=$$(scripts/pg-matrix.sh pgconfig $$major) bench/count/run --record || exit; done

bench-progress:
	@bench/progress/run

# the fuzz targets, a workspace of their own
FUZZ = src/logic/fuzz/Cargo.toml

fmt:
	cargo fmt --all
	cargo fmt --manifest-path $(FUZZ)

lint:
	cargo fmt --all --check -- --color=never
	cargo fmt --manifest-path $(FUZZ) --check -- --color=never
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --manifest-path $(FUZZ) --target-dir target/fuzz-lint --locked -- -D warnings
	scripts/check-layers
	scripts/check-files
	scripts/check-shell
	scripts/check-sql

# --- goals that do ---

ifneq ($(if $(MAKECMDGOALS),$(filter-out $(SCRIPT_GOALS),$(MAKECMDGOALS)),all),)

# What is missing is told by name before anything else fails over it.
pg_config_path := $(shell command -v $(PG_CONFIG) 2>/dev/null)
ifeq ($(pg_config_path),)
$(error $(PG_CONFIG) not found: install a PostgreSQL server with its development files (Debian, Ubuntu: apt-get install postgresql postgresql-server-dev-all), or give PG_CONFIG=/path/to/pg_config)
endif
pg_version := $(shell $(pg_config_path) --version)
pg_major := $(shell echo '$(pg_version)' | sed 's/[^0-9]*\([0-9]*\).*/\1/')
PGXS := $(shell $(pg_config_path) --pgxs)
ifeq ($(wildcard $(shell $(pg_config_path) --includedir-server)/postgres.h),)
$(error no server headers for $(pg_config_path) ($(pg_version)): apt-get install postgresql-server-dev-$(pg_major), or give PG_CONFIG=/path/to/pg_config of another server)
endif
ifeq ($(wildcard $(PGXS)),)
$(error no PGXS for $(pg_config_path) ($(pg_version)): apt-get install postgresql-server-dev-$(pg_major), or give PG_CONFIG=/path/to/pg_config of another server)
endif

# Isolation tests need a program that not every package of PostgreSQL has.
ifneq ($(wildcard $(dir $(PGXS))../test/isolation/pg_isolation_regress),)
ifneq ($(ISOLATION_SPECS),)
ISOLATION = $(call for_server,ISOLATION,$(ISOLATION_SPECS))
endif
endif

# There is no LLVM bitcode of a Rust library for the server's JIT to inline.
override with_llvm = no

include $(PGXS)

additions = sql/pg_background--1.8--3.0.sql
sql/built/pg_background--3.0.sql: sql/pg_background--1.8.sql $(additions)
sql/built/pg_background--1.9--3.0.sql sql/built/pg_background--1.10--3.0.sql: $(additions)
sql/built/pg_background--2.0--3.0.sql: $(additions) sql/parts/names-of-1.8.sql
$(DATA_built):
	@mkdir -p $(@D)
	@{ echo '/* $(@F), made of $^ */'; cat $^; } > $@.new && mv $@.new $@

cargo_profile_dir = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
cdylib = $(or $(CARGO_TARGET_DIR),target)/$(cargo_profile_dir)/libpg_background.so
library = pg_background$(DLSUFFIX)

# The library belongs to one build of one server, to one profile and its flags. When those change it is made anew; when nothing
# changed cargo is not called at all, so that `sudo make install` needs no cargo.
build_id := $(shell { echo '$(PROFILE) $(CARGO_FLAGS)'; $(pg_config_path) --version --configure; } | cksum)
ifneq ($(shell cat .build-id 2>/dev/null),$(build_id))
$(library): FORCE
endif

rust_sources = Cargo.toml $(wildcard Cargo.lock .cargo/config.toml) build.rs $(wildcard *.h) $(shell find src c_shim bindings -path src/logic/fuzz -prune -o -type f -print 2>/dev/null)

$(library): $(rust_sources)
	@scripts/deps --check
	PG_CONFIG='$(pg_config_path)' cargo build --lib --profile $(PROFILE) $(CARGO_FLAGS)
	cp '$(cdylib)' $@
	@echo '$(build_id)' > .build-id

.PHONY: FORCE cargo-clean
FORCE:

clean: cargo-clean
cargo-clean:
	if command -v cargo >/dev/null; then cargo clean; fi

# REGRESS_OUT may be new.
installcheck: regress-out
.PHONY: regress-out
regress-out:
	@mkdir -p '$(REGRESS_OUT)' $(if $(ISOLATION),'$(REGRESS_OUT)/isolation')

endif
