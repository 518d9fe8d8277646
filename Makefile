# Builds modemd and everything that comes with it, installs it, and makes packages of it:
#
#   make && sudo make install     by hand; as a packager, with DESTDIR= and the directories below
#   make deb, make rpm            packages in target/packages
#
# `install` is the one list of files; both packages are made of what it installs. It builds nothing
# that is there, so that root needs no Rust. Programs and their configuration meet in /etc/modemd,
# which is compiled in and therefore no variable.

PREFIX        = /usr
BINDIR        = $(PREFIX)/bin
SBINDIR       = $(PREFIX)/sbin
MANDIR        = $(PREFIX)/share/man
DOCDIR        = $(PREFIX)/share/doc/modemd
UNITDIR       = $(PREFIX)/lib/systemd/system
GENERATORDIR  = $(PREFIX)/lib/systemd/system-generators
CATALOGDIR    = $(PREFIX)/lib/systemd/catalog
SYSUSERSDIR   = $(PREFIX)/lib/sysusers.d
TMPFILESDIR   = $(PREFIX)/lib/tmpfiles.d
UDEVRULESDIR  = $(PREFIX)/lib/udev/rules.d
BASHDIR       = $(PREFIX)/share/bash-completion/completions
ZSHDIR        = $(PREFIX)/share/zsh/site-functions
FISHDIR       = $(PREFIX)/share/fish/vendor_completions.d
DESTDIR       =

CARGO   = cargo
INSTALL = install
SCDOC   = scdoc

# Cargo's own variable says where it builds, if not here.
TARGET   = $(or $(CARGO_TARGET_DIR),target)
RELEASE  = $(TARGET)/release
PACKAGES = $(abspath $(TARGET))/packages

PROGRAMS    = $(addprefix $(RELEASE)/,modemd modemctl modemd-generator)
MANUAL      = $(addprefix $(TARGET)/man/,modemd.8 modemd.toml.5 modemd-attach.toml.5 modemctl.1 \
	modemd-guard.7 \
	modemd-generator.8)
COMPLETIONS = $(foreach program,modemd modemctl,$(addprefix $(TARGET)/completions/,$(program).bash _$(program) $(program).fish))

# A version that is still to come (1.0.0-rc.1) sorts before its release in both kinds of packages.
VERSION = $(subst -,~,$(shell sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml))
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2> /dev/null || stat -c %Y Cargo.toml)
export SOURCE_DATE_EPOCH

.PHONY: all install deb rpm clean
.DELETE_ON_ERROR:

all:
	$(CARGO) build --release --locked
	$(MAKE) --no-print-directory $(MANUAL) $(COMPLETIONS)

$(PROGRAMS) &:
	$(CARGO) build --release --locked

$(TARGET)/man/%: packaging/man/%.scd
	@mkdir -p $(@D)
	$(SCDOC) < $< > $@

$(TARGET)/completions/%.bash: $(RELEASE)/modemctl
	@mkdir -p $(@D)
	$(RELEASE)/modemctl completions bash $* > $@

$(TARGET)/completions/_%: $(RELEASE)/modemctl
	@mkdir -p $(@D)
	$(RELEASE)/modemctl completions zsh $* > $@

$(TARGET)/completions/%.fish: $(RELEASE)/modemctl
	@mkdir -p $(@D)
	$(RELEASE)/modemctl completions fish $* > $@

# Units, the udev rule and the manual say where things are; they are installed with the places of this make.
PLACES = -e 's,/usr/sbin/modemd,$(SBINDIR)/modemd,g' \
	-e 's,/usr/bin/modemctl,$(BINDIR)/modemctl,g' \
	-e 's,/usr/share/doc/modemd,$(DOCDIR),g' \
	-e 's,/usr/lib/systemd/system/,$(UNITDIR)/,g' \
	-e 's,/usr/lib/systemd/system-generators/,$(GENERATORDIR)/,g' \
	-e 's,/usr/lib/udev/,$(dir $(UDEVRULESDIR)),g'

# $(call install_text,FILES,DIRECTORY)
define install_text
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(2) $(1)
	@sed -i $(PLACES) $(addprefix $(DESTDIR)$(2)/,$(notdir $(1)))
endef

install: $(PROGRAMS) $(MANUAL) $(COMPLETIONS)
	$(INSTALL) -D -m 755 $(RELEASE)/modemd $(DESTDIR)$(SBINDIR)/modemd
	$(INSTALL) -D -m 755 $(RELEASE)/modemctl $(DESTDIR)$(BINDIR)/modemctl
	$(INSTALL) -D -m 755 $(RELEASE)/modemd-generator $(DESTDIR)$(GENERATORDIR)/modemd-generator
	$(call install_text,$(wildcard units/*.socket units/*.service),$(UNITDIR))
	$(INSTALL) -D -m 644 units/modemd.sysusers $(DESTDIR)$(SYSUSERSDIR)/modemd.conf
	$(INSTALL) -D -m 644 units/modemd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/modemd.conf
	$(INSTALL) -D -m 644 units/modemd.catalog $(DESTDIR)$(CATALOGDIR)/modemd.catalog
	$(INSTALL) -d -m 755 $(DESTDIR)/etc/modemd/conf.d
# Who installs by hand a second time has a configuration of his own.
	[ -e $(DESTDIR)/etc/modemd/modemd.toml ] || $(INSTALL) -m 644 packaging/modemd.toml $(DESTDIR)/etc/modemd/
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DOCDIR) README.md CHANGELOG.md packaging/windows.md
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DOCDIR)/examples packaging/name-lookups.conf packaging/attach.toml
	$(call install_text,$(filter %.1,$(MANUAL)),$(MANDIR)/man1)
	$(call install_text,$(filter %.5,$(MANUAL)),$(MANDIR)/man5)
	$(call install_text,$(filter %.7,$(MANUAL)),$(MANDIR)/man7)
	$(call install_text,$(filter %.8,$(MANUAL)),$(MANDIR)/man8)
	$(INSTALL) -d -m 755 $(DESTDIR)$(BASHDIR)
	for program in modemd modemctl; do \
		$(INSTALL) -m 644 $(TARGET)/completions/$$program.bash $(DESTDIR)$(BASHDIR)/$$program || exit 1; \
	done
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(ZSHDIR) $(filter %/_modemd %/_modemctl,$(COMPLETIONS))
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(FISHDIR) $(filter %.fish,$(COMPLETIONS))
# The number is part of the name, since it orders the rules; ours must come before ModemManager's.
	$(call install_text,units/modemd.rules,$(UDEVRULESDIR))
	mv $(DESTDIR)$(UDEVRULESDIR)/modemd.rules $(DESTDIR)$(UDEVRULESDIR)/70-modemd.rules

# A package is named after the version in Cargo.toml, and so is the entry that Debian wants in its changelog.
# What packages are built with is not looked for: a compiler for C, which cargo needed more than we do.
deb: all
	rm -rf $(PACKAGES)/deb $(PACKAGES)/modemd_*
	mkdir -p $(PACKAGES)/deb
	cp -r packaging/debian $(PACKAGES)/deb/debian
	printf 'modemd (%s-1) unstable; urgency=medium\n\n  * %s\n\n -- %s  %s\n' '$(VERSION)' \
		'What is new in this version: /usr/share/doc/modemd/changelog.gz.' \
		"$$(sed -n 's/^Maintainer: //p' packaging/debian/control)" \
		"$$(LC_ALL=C date -u -R -d @$(SOURCE_DATE_EPOCH))" > $(PACKAGES)/deb/debian/changelog
	cd $(PACKAGES)/deb && SOURCE='$(CURDIR)' DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-} noautodbgsym" \
		dpkg-buildpackage --build=binary --no-check-builddeps --unsigned-changes --unsigned-buildinfo

rpm: all
	rm -rf $(PACKAGES)/rpm $(PACKAGES)/modemd-*
	mkdir -p $(PACKAGES)/rpm
	rpmbuild -bb --define '_topdir $(PACKAGES)/rpm' --define '_rpmdir $(PACKAGES)' \
		--define '_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' \
		--define 'modemd_version $(VERSION)' --define 'modemd_source $(CURDIR)' packaging/rpm/modemd.spec

# What cargo built, `cargo clean` removes.
clean:
	rm -rf $(TARGET)/man $(TARGET)/completions $(PACKAGES)
