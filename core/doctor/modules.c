/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that load, and what backends need of the machine: see doctor.h. */
#include "core/doctor/doctor.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/module.h"

#define MODULES "modules"
#define REINSTALL "install stor again, and the libraries that it needs"

static void look_at_internal(const struct doctor *doctor)
{
	static const struct {
		const char *kind, *name, *use;
	} modules[] = {
		{ "internal", "image", "stor image" },
		{ "internal", "seccomp", "--security-opt seccomp=FILE, and unusual capabilities" },
		{ "internal", "blkid", "telling what an unknown image holds" },
		{ "net", "veth", "--net veth and bridge" },
		{ "net", "nft", "--net bridge and --publish" },
		{ "cgroup", "v1", "limits by cgroups of version 1" },
		{ "cgroup", "v2", "limits by cgroups of version 2" },
	};

	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		struct stor_err err = STOR_ERR_INIT;
		char what[64];

		snprintf(what, sizeof(what), "%s/%s", modules[i].kind, modules[i].name);
		if (module_load(modules[i].kind, modules[i].name, &err))
			doctor_say(doctor, MODULES, what, DOCTOR_OK, NULL, "for %s",
			           modules[i].use);
		else
			doctor_say(doctor, MODULES, what, DOCTOR_LIMITED,
			           *err.hint ? err.hint : REINSTALL, "no %s: %s", modules[i].use,
			           err.text);
	}
}

struct examination {
	const struct doctor *doctor;
	char area[64];
};

static int report(void *ctx, const struct stor_finding *finding)
{
	struct examination *e = ctx;

	doctor_say(e->doctor, e->area, finding->what,
	           finding->is_there ? DOCTOR_OK : DOCTOR_LIMITED, finding->remedy, "%s",
	           finding->detail);
	return 0;
}

static void look_at_backend(const struct doctor *doctor, const char *name)
{
	struct examination examination = { .doctor = doctor };
	struct stor_err err = STOR_ERR_INIT;
	const struct backend *b = backend_load(name, &err);
	char what[64];

	snprintf(what, sizeof(what), "backends/%s", name);
	snprintf(examination.area, sizeof(examination.area), "backend %s", name);
	if (!b) {
		doctor_say(doctor, MODULES, what, DOCTOR_LIMITED, *err.hint ? err.hint : REINSTALL,
		           "no volumes of it: %s", err.text);
		return;
	}
	doctor_say(doctor, MODULES, what, DOCTOR_OK, NULL, "%s", b->ops.summary);
	if (backend_examine(b, report, &examination, &err) < 0)
		doctor_say(doctor, examination.area, "examination", DOCTOR_LIMITED, NULL, "%s",
		           err.text);
}

void doctor_modules(const struct doctor *doctor)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err err = STOR_ERR_INIT;

	look_at_internal(doctor);
	if (backend_names(&names, &err) < 0 || !names.count) {
		doctor_say(doctor, MODULES, "backends", DOCTOR_MISSING, REINSTALL, "%s",
		           *err.text ? err.text : "there are none");
		return;
	}
	for (size_t i = 0; i < names.count; i++)
		look_at_backend(doctor, names.items[i]);
}
