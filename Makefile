# What can be done here. `make` alone lists it.
.PHONY: help demo test crash selftest musl bench fuzz lint deny peers ci install schema

CARGO = cargo
PREFIX ?= /usr/local
DESTDIR ?=

help:
	@echo 'make demo      a minute with the daemon: it converges, holds, makes a guest, proves a backup, obeys a signature, survives kill -9'
	@echo 'make test      every test'
	@echo 'make crash     kill -9 and failing disks at every point, and 500 random ones: CRASH_ROUNDS, CRASH_SEED'
	@echo 'make selftest  the built or installed binary against this node: changes nothing'
	@echo 'make musl      the static binary, dist/felhom-agent'
	@echo 'make install   that binary, the units, the man page and the manifest's schema below $$(DESTDIR)$$(PREFIX)'
	@echo 'make bench     the figures, beside those of proxmoxer and Ansible'
	@echo 'make fuzz      every fuzz target, FUZZ_SECONDS (60) each'
	@echo 'make lint      format, clippy, dependencies'
	@echo 'make peers     a public Proxmox client drives the simulated node'
	@echo 'make ci        all of it'

demo:
	@sh contrib/build/ensure.sh cc rust
	$(CARGO) build --locked --workspace --bins
	target/debug/demo

test:
	@sh contrib/build/ensure.sh cc rust
	$(CARGO) test --locked --workspace

# The whole of what `make test` does a part of; ends by itself, 10 to 20 minutes on two cores.
crash:
	@sh contrib/build/ensure.sh cc rust strace
	CRASH_ROUNDS=$${CRASH_ROUNDS:-500} $(CARGO) test --locked --test it crash:: -- --nocapture --test-threads=1
	$(CARGO) test --locked --lib journal::tests -- --ignored

# Needs no toolchain: the built binary if there is one, else the installed one.
selftest:
	@if [ -x dist/felhom-agent ]; then exec dist/felhom-agent selftest; \
	elif command -v felhom-agent >/dev/null; then exec felhom-agent selftest; \
	else echo 'no binary: run make musl here, or install felhom-agent' >&2; exit 1; fi

musl:
	@sh contrib/build/musl.sh

bench: musl
	$(CARGO) build --locked --profile bench -p felhom-sim --bins
	$(CARGO) bench --locked --bench figures
	@sh contrib/build/ensure.sh python-venv
	sh tests/sim/peers/cost.sh

# Not part of ci: what a run finds depends on how long it runs.
fuzz:
	@sh contrib/build/fuzz.sh

lint:
	@sh contrib/build/ensure.sh cc rust
	$(CARGO) fmt --all --check
	$(CARGO) fmt --all --check --manifest-path fuzz/Cargo.toml
	$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items
	@sh contrib/build/check-crates.sh

deny:
	@sh contrib/build/deny.sh

peers:
	@sh contrib/build/ensure.sh cc rust python-venv
	sh tests/sim/peers/run.sh

# musl before test: Debian's compiler is the oldest that builds this, and what it cannot read is told before the long part.
ci: lint musl test deny peers demo

install:
	@[ -x dist/felhom-agent ] || { echo 'no dist/felhom-agent: run make musl first' >&2; exit 1; }
	install -D -m 0755 dist/felhom-agent $(DESTDIR)$(PREFIX)/bin/felhom-agent
	install -D -m 0644 contrib/felhom-agent.8 $(DESTDIR)$(PREFIX)/share/man/man8/felhom-agent.8
	install -D -m 0644 etc/schema/manifest.json $(DESTDIR)$(PREFIX)/share/felhom-agent/manifest.schema.json
	install -D -m 0644 contrib/felhom-agent.service $(DESTDIR)/etc/systemd/system/felhom-agent.service
	@if [ ! -e $(DESTDIR)/etc/felhom-agent/agent.json ]; then \
		install -D -m 0600 etc/agent.example.json $(DESTDIR)/etc/felhom-agent/agent.json; fi
