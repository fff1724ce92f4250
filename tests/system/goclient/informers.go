package main

import (
	"context"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/workqueue"
)

// errOffline is what a client sees while no server listens: a reflector then goes on with the version it has.
var errOffline = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// A follower is an informer with a handler that holds every event against what must be true of a history (A17, A34, A35).
type follower struct {
	informer cache.SharedIndexInformer
	path     string
	list     func(context.Context) (runtime.Object, error)

	lock                  sync.Mutex
	version               map[string]string // of each object that exists, as the events said
	adds, resyncs, wrongs int
	gone                  map[string]bool
	complaint             string
}

func (f *follower) wrong(format string, arguments ...any) {
	f.wrongs++
	f.complaint = fmt.Sprintf(format, arguments...)
}

func newer(a, b string) bool {
	x, okX := new(big.Int).SetString(a, 10)
	y, okY := new(big.Int).SetString(b, 10)
	return okX && okY && x.Cmp(y) > 0
}

func (f *follower) follow() {
	on := func(object any, what func(key, version string)) {
		f.lock.Lock()
		defer f.lock.Unlock()
		if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = unknown.Obj
		}
		m, err := meta.Accessor(object)
		must(err, "accessor")
		what(m.GetNamespace()+"/"+m.GetName(), m.GetResourceVersion())
	}
	_, err := f.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			on(object, func(key, version string) {
				if f.version[key] != "" {
					f.wrong("%s added twice", key)
				}
				f.version[key] = version
				f.adds++
			})
		},
		UpdateFunc: func(_, object any) {
			on(object, func(key, version string) {
				switch {
				case f.version[key] == "":
					f.wrong("%s changed before it was there", key)
				case f.version[key] == version:
					f.resyncs++
				case !newer(version, f.version[key]):
					f.wrong("%s went from version %s back to %s", key, f.version[key], version)
				}
				f.version[key] = version
			})
		},
		DeleteFunc: func(object any) {
			on(object, func(key, version string) {
				if f.version[key] == "" {
					f.wrong("%s deleted before it was there", key)
				}
				delete(f.version, key)
				f.gone[key] = true
			})
		},
	})
	must(err, "handler")
}

// differs says how the events so far differ from a list of now.
func (f *follower) differs(ctx context.Context) string {
	list, err := f.list(ctx)
	must(err, "list of "+f.path)
	items, err := meta.ExtractList(list)
	must(err, "items of "+f.path)
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.wrongs > 0 {
		fail("%s: %d events out of order, the last: %s", f.path, f.wrongs, f.complaint)
	}
	if len(items) != len(f.version) {
		return fmt.Sprintf("%s: %d listed, %d by events", f.path, len(items), len(f.version))
	}
	for _, item := range items {
		m, _ := meta.Accessor(item)
		if key := m.GetNamespace() + "/" + m.GetName(); f.version[key] != m.GetResourceVersion() {
			return fmt.Sprintf("%s: %s is listed with version %s, events said %q", f.path, key, m.GetResourceVersion(), f.version[key])
		}
	}
	return ""
}

// readsInitialState checks in the record how the informer got its first state: with a watch-list (A37), or by list and watch.
func (f *follower) readsInitialState(b *bench) {
	lists := b.made(func(c call) bool { return c.path == f.path && !c.isWatch() })
	initial := b.made(func(c call) bool {
		return c.path == f.path && c.isWatch() && c.query.Get("sendInitialEvents") == "true"
	})
	for _, c := range initial {
		need(c.status == 200 && c.query.Get("resourceVersionMatch") == "NotOlderThan", "%s: watch-list %+v", f.path, c)
	}
	if b.watchList {
		need(len(initial) > 0 && len(lists) == 0, "%s: %d watch-lists, %d lists: the watch-list was not taken", f.path, len(initial), len(lists))
	} else {
		need(len(initial) == 0 && len(lists) > 0, "%s: %d watch-lists, %d lists", f.path, len(initial), len(lists))
	}
}

func followers(b *bench, factory informers.SharedInformerFactory) []*follower {
	other := b.sideDoor()
	none := metav1.ListOptions{}
	all := []*follower{
		{informer: factory.Core().V1().Pods().Informer(), path: "/api/v1/pods",
			list: func(ctx context.Context) (runtime.Object, error) { return other.CoreV1().Pods("").List(ctx, none) }},
		{informer: factory.Core().V1().Services().Informer(), path: "/api/v1/services",
			list: func(ctx context.Context) (runtime.Object, error) { return other.CoreV1().Services("").List(ctx, none) }},
		{informer: factory.Discovery().V1().EndpointSlices().Informer(), path: "/apis/discovery.k8s.io/v1/endpointslices",
			list: func(ctx context.Context) (runtime.Object, error) {
				return other.DiscoveryV1().EndpointSlices("").List(ctx, none)
			}},
		{informer: factory.Apps().V1().StatefulSets().Informer(), path: "/apis/apps/v1/statefulsets",
			list: func(ctx context.Context) (runtime.Object, error) {
				return other.AppsV1().StatefulSets("").List(ctx, none)
			}},
		{informer: factory.Core().V1().Namespaces().Informer(), path: "/api/v1/namespaces",
			list: func(ctx context.Context) (runtime.Object, error) { return other.CoreV1().Namespaces().List(ctx, none) }},
	}
	for _, f := range all {
		f.version, f.gone = map[string]string{}, map[string]bool{}
		f.follow()
	}
	return all
}

// informersFollow: shared informers through the life of a set, and over a kill of the server (A33-A39, section 11).
func informersFollow(b *bench) {
	_, err := b.client.CoreV1().Services("default").Create(b.ctx, kubiaService(), metav1.CreateOptions{})
	must(err, "service")
	doomed := kubiaService()
	doomed.Name = "doomed"
	_, err = b.client.CoreV1().Services("default").Create(b.ctx, doomed, metav1.CreateOptions{})
	must(err, "service")
	_, err = b.client.AppsV1().StatefulSets("default").Create(b.ctx, kubiaSet(1), metav1.CreateOptions{})
	must(err, "set")
	b.forget()

	ctx, stop := context.WithCancel(b.ctx)
	factory := informers.NewSharedInformerFactory(b.client, time.Second) // a resync each second
	all := followers(b, factory)
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	defer stop()
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		need(synced, "%s never synced", kind)
	}
	for _, f := range all {
		f.readsInitialState(b)
	}

	scaleSet(b, 3)
	pods := factory.Core().V1().Pods().Lister().Pods("default")
	ready := func(want int) func() string {
		return func() string {
			set, err := factory.Apps().V1().StatefulSets().Lister().StatefulSets("default").Get("kubia")
			if err != nil || int(set.Status.ReadyReplicas) != want || set.Status.ObservedGeneration != set.Generation {
				return fmt.Sprintf("%v, %+v", err, set)
			}
			return ""
		}
	}
	until(ctx, "the cache shows three ready pods", ready(3))
	first, err := pods.Get("kubia-1")
	must(err, "kubia-1 in the cache")
	must(b.client.CoreV1().Pods("default").Delete(ctx, "kubia-1", metav1.DeleteOptions{}), "delete kubia-1")
	until(ctx, "the cache shows another kubia-1", func() string {
		if pod, err := pods.Get("kubia-1"); err != nil || pod.UID == first.UID {
			return fmt.Sprint("still the old one, or none: ", err)
		}
		return ""
	})
	until(ctx, "three ready pods again", ready(3))
	level(ctx, all)
	for _, f := range all {
		until(ctx, "a resync of "+f.path, func() string {
			f.lock.Lock()
			defer f.lock.Unlock()
			if f.resyncs == 0 {
				return "none"
			}
			return ""
		})
	}

	// The server is killed; while this client is still cut off, things change.
	b.setOffline(true)
	b.restart()
	side := b.sideDoor()
	must(side.CoreV1().Services("default").Delete(ctx, "doomed", metav1.DeleteOptions{}), "delete doomed")
	_, err = side.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "born"}}, metav1.CreateOptions{})
	must(err, "create born")
	b.forget()
	b.setOffline(false)
	until(ctx, "the informers noticed what they missed", func() string {
		services, namespaces := all[1], all[4]
		services.lock.Lock()
		defer services.lock.Unlock()
		namespaces.lock.Lock()
		defer namespaces.lock.Unlock()
		if !services.gone["default/doomed"] || namespaces.version["/born"] == "" {
			return fmt.Sprint(services.version, namespaces.version)
		}
		return ""
	})
	scaleSet(b, 1)
	until(ctx, "one ready pod", ready(1))
	level(ctx, all)
	for _, f := range all {
		// Every informer went on with the version it had, was told that it is too old, and read everything again.
		late := b.made(func(c call) bool { return c.path == f.path && c.isWatch() && (c.expired || c.status == 410) })
		need(len(late) > 0 && late[0].query.Get("resourceVersion") != "", "%s: no watch was told 410 after the restart", f.path)
		f.readsInitialState(b)
	}
}

func scaleSet(b *bench, replicas int) {
	_, err := b.client.AppsV1().StatefulSets("default").Patch(b.ctx, "kubia", types.MergePatchType,
		[]byte(fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)), metav1.PatchOptions{})
	must(err, "scale")
}

func level(ctx context.Context, all []*follower) {
	for _, f := range all {
		until(ctx, "events and lists say the same", func() string { return f.differs(ctx) })
	}
}

// retryWatcher: streams that the server ends go on where they were, without gap or duplicate (A34, A38); too old ends them (410).
func retryWatcher(b *bench) {
	maps := b.client.CoreV1().ConfigMaps("default")
	list, err := maps.List(b.ctx, metav1.ListOptions{})
	must(err, "list")
	second := int64(1)
	watcher, err := toolswatch.NewRetryWatcher(list.ResourceVersion, &cache.ListWatch{
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			options.TimeoutSeconds = &second
			return maps.Watch(b.ctx, options)
		}})
	must(err, "watcher")
	defer watcher.Stop()
	streams := func() int { return len(b.made(call.isWatch)) }
	last, made := "", 0
	for streams() < 4 || made < 20 {
		name := fmt.Sprintf("m-%03d", made)
		_, err := maps.Create(b.ctx, configMap(name, ""), metav1.CreateOptions{})
		must(err, "create")
		made++
		event, open := <-watcher.ResultChan()
		need(open && event.Type == watch.Added, "event %+v", event)
		have := event.Object.(*corev1.ConfigMap)
		need(have.Name == name && (last == "" || newer(have.ResourceVersion, last)), "%s came where %s was due", have.Name, name)
		last = have.ResourceVersion
		if made%10 == 0 { // let a stream end with nothing to say
			now := streams()
			until(b.ctx, "the next stream", func() string {
				if streams() > now {
					return ""
				}
				return "none"
			})
		}
	}
	b.restart()
	for event := range watcher.ResultChan() {
		status, ok := event.Object.(*metav1.Status)
		need(ok && event.Type == watch.Error && status.Code == 410, "after the restart: %+v", event)
		return
	}
	fail("the watcher ended without saying why")
}

// controllerWithQueue: the usual controller: an informer, a rate-limited queue, workers that bring config maps into line with sets.
func controllerWithQueue(b *bench) {
	const sets = 15
	ctx, stop := context.WithCancel(b.ctx)
	factory := informers.NewSharedInformerFactory(b.client, 0)
	informer := factory.Apps().V1().StatefulSets()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	put := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: put, UpdateFunc: func(_, object any) { put(object) }, DeleteFunc: put})
	must(err, "handler")
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	maps := b.client.CoreV1().ConfigMaps("default")
	var workers sync.WaitGroup
	for w := 0; w < 3; w++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			wait.Until(func() {
				for {
					key, quit := queue.Get()
					if quit {
						return
					}
					_, name, _ := strings.Cut(key, "/")
					set, err := informer.Lister().StatefulSets("default").Get(name)
					if err = writeDown(ctx, b, name, set, err); err != nil {
						queue.AddRateLimited(key)
					} else {
						queue.Forget(key)
					}
					queue.Done(key)
				}
			}, time.Second, ctx.Done())
		}()
	}
	defer func() {
		stop()
		queue.ShutDown()
		workers.Wait()
		factory.Shutdown()
	}()

	want := map[string]string{}
	for i := 0; i < sets; i++ {
		set := kubiaSet(0)
		set.Name = fmt.Sprintf("set-%02d", i)
		_, err := b.client.AppsV1().StatefulSets("default").Create(ctx, set, metav1.CreateOptions{})
		must(err, "create")
		want[set.Name] = "0"
	}
	for name := range want {
		switch name[len(name)-1] % 3 {
		case 0:
			must(b.client.AppsV1().StatefulSets("default").Delete(ctx, name, metav1.DeleteOptions{}), "delete")
			delete(want, name)
		case 1:
			_, err := b.client.AppsV1().StatefulSets("default").Patch(ctx, name, types.JSONPatchType,
				[]byte(`[{"op":"replace","path":"/spec/replicas","value":2}]`), metav1.PatchOptions{})
			must(err, "patch")
			want[name] = "2"
		}
	}
	until(ctx, "the config maps follow the sets", func() string {
		list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "app=kubia"})
		must(err, "list")
		have := map[string]string{}
		for _, m := range list.Items {
			have[m.Name] = m.Data["value"]
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			return fmt.Sprint("have ", have, ", want ", want)
		}
		return ""
	})
}

// writeDown makes the config map called like the set say how many replicas it wants; without a set there is no map.
func writeDown(ctx context.Context, b *bench, name string, set *appsv1.StatefulSet, err error) error {
	maps := b.client.CoreV1().ConfigMaps("default")
	if apierrors.IsNotFound(err) {
		if err = maps.Delete(ctx, name, metav1.DeleteOptions{}); apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	want := configMap(name, fmt.Sprint(*set.Spec.Replicas))
	_, err = maps.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = maps.Update(ctx, want, metav1.UpdateOptions{})
	}
	return err
}
