package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

var kubiaLabels = map[string]string{"app": "kubia"}

func kubiaService() *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "kubia"}, Spec: corev1.ServiceSpec{ClusterIP: "None",
		Selector: kubiaLabels, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
}

func kubiaSet(replicas int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "kubia"}, Spec: appsv1.StatefulSetSpec{
		ServiceName: "kubia", Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: kubiaLabels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: kubiaLabels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "kubia", Image: "kubia-pet"}}}}}}
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: kubiaLabels}, Data: map[string]string{"value": value}}
}

// discoveryAndMapper: A6-A8, A11, A12 as client-go reads them.
func discoveryAndMapper(b *bench) {
	version, err := b.client.Discovery().ServerVersion()
	must(err, "version")
	need(version.Major == "1" && version.Minor != "", "version %+v", version)

	groups, resources, err := b.client.Discovery().ServerGroupsAndResources()
	must(err, "groups and resources")
	need(len(groups) >= 8 && len(resources) >= 8, "%d groups, %d lists", len(groups), len(resources))

	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(b.client.Discovery()))
	for _, short := range []string{"sts", "svc", "po", "pvc", "no", "cm"} {
		expanded := restmapper.NewShortcutExpander(mapper, memory.NewMemCacheClient(b.client.Discovery()), func(string) {})
		kind, err := expanded.KindFor(schema.GroupVersionResource{Resource: short})
		must(err, "short name "+short)
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		must(err, "mapping of "+kind.String())
		need((mapping.Scope.Name() == "namespace") == (short != "no"), "%s has scope %s", short, mapping.Scope.Name())
	}
	paths, err := b.client.Discovery().OpenAPIV3().Paths()
	must(err, "OpenAPI v3")
	for _, path := range []string{"api/v1", "apis/apps/v1"} {
		need(paths[path] != nil, "OpenAPI v3 has no %s", path)
		_, err := paths[path].Schema("application/json")
		must(err, "OpenAPI v3 of "+path)
	}
}

// typedObjects: sections 5, 6 and 8 through the typed client.
func typedObjects(b *bench) {
	maps := b.client.CoreV1().ConfigMaps("default")
	made, err := maps.Create(b.ctx, configMap("a", "1"), metav1.CreateOptions{})
	must(err, "create")
	need(made.UID != "" && made.ResourceVersion != "" && !made.CreationTimestamp.IsZero(), "created %+v", made.ObjectMeta)
	_, err = maps.Create(b.ctx, configMap("a", "1"), metav1.CreateOptions{})
	need(apierrors.IsAlreadyExists(err), "second create: %v", err)
	_, err = maps.Get(b.ctx, "b", metav1.GetOptions{})
	need(apierrors.IsNotFound(err), "get of a missing one: %v", err)
	_, err = b.client.CoreV1().ConfigMaps("nowhere").Create(b.ctx, configMap("a", "1"), metav1.CreateOptions{})
	need(apierrors.IsNotFound(err), "create in a missing namespace: %v", err)
	_, err = maps.Create(b.ctx, configMap("Not A Name", "1"), metav1.CreateOptions{})
	need(apierrors.IsInvalid(err), "create with a bad name: %v", err)
	_, err = maps.Create(b.ctx, configMap("dry", "1"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	must(err, "dry run")
	_, err = maps.Get(b.ctx, "dry", metav1.GetOptions{})
	need(apierrors.IsNotFound(err), "get after a dry run: %v", err)
	named, err := maps.Create(b.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "gen-"}}, metav1.CreateOptions{})
	must(err, "create with generateName")
	need(len(named.Name) == len("gen-")+5, "generated name %s", named.Name)

	for _, patch := range []struct {
		kind types.PatchType
		body string
		want string
	}{
		{types.MergePatchType, `{"data":{"value":"2"}}`, "2"},
		{types.JSONPatchType, `[{"op":"test","path":"/data/value","value":"2"},{"op":"replace","path":"/data/value","value":"3"}]`, "3"},
		{types.StrategicMergePatchType, `{"data":{"value":"4"}}`, "4"},
	} {
		have, err := maps.Patch(b.ctx, "a", patch.kind, []byte(patch.body), metav1.PatchOptions{})
		must(err, "patch "+string(patch.kind))
		need(have.Data["value"] == patch.want, "%s gave %s", patch.kind, have.Data["value"])
	}

	other := types.UID("00000000-0000-4000-8000-000000000000")
	err = maps.Delete(b.ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	need(apierrors.IsConflict(err), "delete of another uid: %v", err)
	must(maps.Delete(b.ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &made.UID}}), "delete")
	must(maps.DeleteCollection(b.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}), "delete collection")
	left, err := maps.List(b.ctx, metav1.ListOptions{})
	must(err, "list")
	need(left.Items != nil && len(left.Items) == 0, "%v are left", left.Items)

	sets := b.client.AppsV1().StatefulSets("default")
	bad := kubiaSet(1)
	bad.Spec.Selector = nil
	_, err = sets.Create(b.ctx, bad, metav1.CreateOptions{})
	need(apierrors.IsInvalid(err), "a set without selector: %v", err)
	causes := err.(*apierrors.StatusError).Status().Details.Causes
	need(slices.ContainsFunc(causes, func(c metav1.StatusCause) bool { return c.Field == "spec.selector" }), "causes %+v", causes)
	_, err = sets.Create(b.ctx, kubiaSet(1), metav1.CreateOptions{})
	must(err, "create the set")
	scale, err := sets.GetScale(b.ctx, "kubia", metav1.GetOptions{})
	must(err, "get scale")
	scale.Spec.Replicas = 2
	_, err = sets.UpdateScale(b.ctx, "kubia", scale, metav1.UpdateOptions{})
	must(err, "update scale")
	_, err = sets.UpdateScale(b.ctx, "kubia", scale, metav1.UpdateOptions{})
	need(apierrors.IsConflict(err), "update of an old scale: %v", err)
	until(b.ctx, "two pods are ready", func() string {
		set, err := sets.Get(b.ctx, "kubia", metav1.GetOptions{})
		must(err, "get the set")
		if set.Status.ReadyReplicas != 2 || set.Status.ObservedGeneration != set.Generation {
			return fmt.Sprintf("%+v", set.Status)
		}
		return ""
	})
}

// conflictsAreRetried: writers that read, add one and update lose nothing (A18).
func conflictsAreRetried(b *bench) {
	const writers, rounds = 4, 15
	_, err := b.client.CoreV1().ConfigMaps("default").Create(b.ctx, configMap("counter", ""), metav1.CreateOptions{})
	must(err, "create")
	backoff := retry.DefaultRetry
	backoff.Steps = 100
	var all sync.WaitGroup
	errs := make(chan error, writers)
	for w := 0; w < writers; w++ {
		all.Add(1)
		go func(client *kubernetes.Clientset) {
			defer all.Done()
			maps := client.CoreV1().ConfigMaps("default")
			for i := 0; i < rounds; i++ {
				err := retry.RetryOnConflict(backoff, func() error {
					have, err := maps.Get(b.ctx, "counter", metav1.GetOptions{})
					if err != nil {
						return err
					}
					have.Data["value"] += "x"
					_, err = maps.Update(b.ctx, have, metav1.UpdateOptions{})
					return err
				})
				if err != nil {
					errs <- err
					return
				}
			}
		}(b.fresh())
	}
	all.Wait()
	close(errs)
	for err := range errs {
		fail("writer: %v", err)
	}
	have, err := b.client.CoreV1().ConfigMaps("default").Get(b.ctx, "counter", metav1.GetOptions{})
	must(err, "get")
	need(len(have.Data["value"]) == writers*rounds, "%d of %d writes are there", len(have.Data["value"]), writers*rounds)
	conflicts := b.made(func(c call) bool { return c.method == "PUT" && c.status == 409 })
	need(len(conflicts) > 0, "the writers never met")
}

// pages: limit and continue through the pager, while others write (section 4).
func pages(b *bench) {
	const count, size = 25, 10
	maps := b.client.CoreV1().ConfigMaps("default")
	for i := 0; i < count; i++ {
		_, err := maps.Create(b.ctx, configMap(fmt.Sprintf("m-%02d", i), ""), metav1.CreateOptions{})
		must(err, "create")
	}
	b.forget()
	var names []string
	p := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		if len(names) > 0 { // a change between pages is not seen: all pages are of the first one's snapshot
			must(maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}), "delete meanwhile")
		}
		return maps.List(ctx, options)
	})
	p.PageSize = size
	p.PageBufferSize = 0
	must(p.EachListItem(b.ctx, metav1.ListOptions{}, func(item runtime.Object) error {
		names = append(names, item.(*corev1.ConfigMap).Name)
		return nil
	}), "pages")
	need(len(names) == count && slices.IsSorted(names) && len(slices.Compact(slices.Clone(names))) == count, "pages gave %v", names)
	lists := b.made(func(c call) bool { return c.method == "GET" && c.query.Get("limit") == fmt.Sprint(size) })
	need(len(lists) == (count+size-1)/size, "%d requests for %d pages", len(lists), (count+size-1)/size)
}

// dynamicAndMetadata: objects without types, and lists and watches of metadata alone (A3).
func dynamicAndMetadata(b *bench) {
	client := dynamic.NewForConfigOrDie(b.config).Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}).Namespace("default")
	watch, err := client.Watch(b.ctx, metav1.ListOptions{})
	must(err, "watch")
	defer watch.Stop()
	plain, err := runtime.DefaultUnstructuredConverter.ToUnstructured(kubiaSet(0))
	must(err, "convert")
	object := &unstructured.Unstructured{Object: plain}
	object.SetAPIVersion("apps/v1")
	object.SetKind("StatefulSet")
	_, err = client.Create(b.ctx, object, metav1.CreateOptions{})
	must(err, "create")
	event := <-watch.ResultChan()
	seen, ok := event.Object.(*unstructured.Unstructured)
	need(ok && event.Type == "ADDED" && seen.GetName() == "kubia" && seen.GetKind() == "StatefulSet", "event %+v", event)
	scaled, err := client.Patch(b.ctx, "kubia", types.MergePatchType, []byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{}, "scale")
	must(err, "patch scale")
	need(scaled.GetKind() == "Scale", "patch of scale gave a %s", scaled.GetKind())
	list, err := client.List(b.ctx, metav1.ListOptions{LabelSelector: "!app"})
	must(err, "list")
	need(len(list.Items) == 1 && list.Items[0].GetKind() == "StatefulSet" && list.GetKind() == "StatefulSetList", "list %+v", list)

	partial := metadata.NewForConfigOrDie(metadata.ConfigFor(b.config)).Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("default")
	_, err = b.client.CoreV1().ConfigMaps("default").Create(b.ctx, configMap("a", "1"), metav1.CreateOptions{})
	must(err, "create")
	metas, err := partial.List(b.ctx, metav1.ListOptions{})
	must(err, "list of metadata")
	need(len(metas.Items) == 1 && metas.Items[0].Name == "a" && metas.Items[0].Labels["app"] == "kubia", "metadata %+v", metas)
	changes, err := partial.Watch(b.ctx, metav1.ListOptions{ResourceVersion: metas.ResourceVersion})
	must(err, "watch of metadata")
	defer changes.Stop()
	must(partial.Delete(b.ctx, "a", metav1.DeleteOptions{}), "delete")
	event = <-changes.ResultChan()
	gone, ok := event.Object.(*metav1.PartialObjectMetadata)
	need(ok && event.Type == "DELETED" && gone.Name == "a" && gone.ResourceVersion != metas.Items[0].ResourceVersion, "event %+v", event)
}

// protobufBodies: kinds that clients send as protobuf are read (A2), others get a clean 415; answers are JSON.
func protobufBodies(b *bench) {
	config := rest.CopyConfig(b.config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client := kubernetes.NewForConfigOrDie(config)
	_, err := client.CoreV1().Namespaces().Create(b.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "proto"}}, metav1.CreateOptions{})
	must(err, "namespace")
	service := kubiaService()
	service.Annotations = map[string]string{"note": "ü"}
	made, err := client.CoreV1().Services("proto").Create(b.ctx, service, metav1.CreateOptions{})
	must(err, "service")
	need(made.Spec.ClusterIP == "None" && made.Annotations["note"] == "ü" && made.Spec.Ports[0].TargetPort.IntValue() == 80, "service %+v", made)
	with, err := client.CoreV1().ConfigMaps("proto").Create(b.ctx, configMap("a", "1"), metav1.CreateOptions{})
	must(err, "config map")
	need(with.Data["value"] == "1" && with.Labels["app"] == "kubia", "config map %+v", with)
	_, err = client.AppsV1().StatefulSets("proto").Create(b.ctx, kubiaSet(1), metav1.CreateOptions{})
	need(apierrors.IsUnsupportedMediaType(err), "a set as protobuf: %v", err)
	list, err := client.CoreV1().Services("proto").List(b.ctx, metav1.ListOptions{})
	must(err, "list")
	text, _ := json.Marshal(list.Items[0].Spec)
	need(len(list.Items) == 1 && list.Items[0].Spec.Ports[0].Name == "http", "list %s", text)
}
