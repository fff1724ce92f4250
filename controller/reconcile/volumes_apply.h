/* controller/reconcile/volumes_apply.h - the writes of the binder, each through the registry's
 * verbs into one unit. Private to controller/reconcile. Control thread.
 *
 * All return 0 or what the verb said. Every write is idempotent: one that is there already changes
 * nothing (R81). */
#pragma once

#include <stdbool.h>

#include "controller/registry/registry.h"

#define FINALIZER_CLAIM  "kubernetes.io/pvc-protection"
#define FINALIZER_VOLUME "kubernetes.io/pv-protection"

int apply_finalizer(const struct verb *v, const struct object *obj, const char *finalizer,
                    bool wanted, struct err *e);
int apply_phase(const struct verb *v, const struct object *obj, const char *phase, struct err *e);
/* R78: the class of a claim that named none. */
int apply_class(const struct verb *v, const struct object *claim, const char *class_name,
                struct err *e);
int apply_unselect(const struct verb *v, const struct object *claim, struct err *e);
/* R81: volume.claimRef, volume phase, claim.volumeName and annotation, claim status. is_our_choice:
 * the volume did not name the claim. */
int apply_bind(const struct verb *v, const struct object *claim, const char *volume,
               bool is_our_choice, struct err *e);
/* R84: makes volume `name` at `path` for the claim, then binds it. */
int apply_provision(const struct verb *v, const struct object *claim, const struct object *class,
                    const char *name, const char *path, struct err *e);
/* R85: the volume grows to the claim's request, the claim's capacity with it. */
int apply_expand(const struct verb *v, const struct object *claim, const char *volume,
                 struct err *e);
/* The claim went elsewhere: all of claimRef when the binder had set it, else its uid. */
int apply_unbind(const struct verb *v, const struct object *volume, struct err *e);
int apply_delete(const struct verb *v, const struct object *obj, struct err *e);
