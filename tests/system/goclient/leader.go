package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

// eventRecorders: both recorders write, repeat by patching, and read back through both groups.
func eventRecorders(b *bench) {
	set, err := b.client.AppsV1().StatefulSets("default").Create(b.ctx, kubiaSet(0), metav1.CreateOptions{})
	must(err, "create")

	old := record.NewBroadcaster()
	defer old.Shutdown()
	old.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: b.client.CoreV1().Events("")})
	old1 := old.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "goclient"})
	for i := 1; i <= 3; i++ {
		old1.Eventf(set, corev1.EventTypeWarning, "Tested", "the %s event", "same")
		until(b.ctx, "the event was counted", func() string {
			list, err := b.client.CoreV1().Events("default").List(b.ctx, metav1.ListOptions{FieldSelector: "reason=Tested,involvedObject.uid=" + string(set.UID)})
			must(err, "list")
			if len(list.Items) != 1 || int(list.Items[0].Count) != i {
				return fmt.Sprintf("want one with count %d: %+v", i, list.Items)
			}
			return ""
		})
	}
	posts := b.made(func(c call) bool { return c.method == "POST" && strings.HasSuffix(c.path, "/events") })
	patches := b.made(func(c call) bool { return c.method == "PATCH" && strings.Contains(c.path, "/events/") })
	need(len(posts) == 1 && len(patches) == 2, "%d POST, %d PATCH for an event and its two repetitions", len(posts), len(patches))

	sink := events.NewBroadcaster(&events.EventSinkImpl{Interface: b.client.EventsV1()})
	defer sink.Shutdown()
	done := make(chan struct{})
	defer close(done)
	sink.StartRecordingToSink(done)
	new1 := sink.NewRecorder(scheme.Scheme, "goclient.example")
	for i := 0; i < 2; i++ { // the second one starts a series
		new1.Eventf(set, nil, corev1.EventTypeNormal, "Noted", "Noting", "in the newer group")
	}
	until(b.ctx, "the newer event is there with its series", func() string {
		list, err := b.client.EventsV1().Events("default").List(b.ctx, metav1.ListOptions{FieldSelector: "reason=Noted"})
		must(err, "list")
		if len(list.Items) != 1 || list.Items[0].Series == nil || list.Items[0].Series.Count < 2 {
			return fmt.Sprintf("%+v", list.Items)
		}
		e := list.Items[0]
		need(e.Note == "in the newer group" && e.Regarding.Name == "kubia" && e.ReportingController == "goclient.example" && e.Action == "Noting" &&
			!e.EventTime.IsZero(), "event %+v", e)
		return ""
	})
	same, err := b.client.CoreV1().Events("default").List(b.ctx, metav1.ListOptions{FieldSelector: "reason=Noted"})
	must(err, "list")
	need(len(same.Items) == 1 && same.Items[0].Message == "in the newer group" && same.Items[0].InvolvedObject.Name == "kubia", "in v1: %+v", same.Items)
}

// leaderElection: two candidates; the second leads when the first lets go, and a lease is kept as it was written (section 11).
func leaderElection(b *bench) {
	var lock sync.Mutex
	leads := map[string]bool{}
	both := false
	run := func(ctx context.Context, identity string) (cancel context.CancelFunc, ended chan struct{}) {
		ctx, cancel = context.WithCancel(ctx)
		ended = make(chan struct{})
		client := b.fresh()
		set := func(value bool) {
			lock.Lock()
			defer lock.Unlock()
			leads[identity] = value
			both = both || (leads["a"] && leads["b"])
		}
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: "default", Name: "chair"},
				Client: client.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: identity}},
			LeaseDuration: deadline, RenewDeadline: deadline / 2, RetryPeriod: 100 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { set(true) }, OnStoppedLeading: func() { set(false) }}})
		must(err, "elector")
		go func() {
			defer close(ended)
			elector.Run(ctx)
		}()
		return cancel, ended
	}
	is := func(identity string) func() string {
		return func() string {
			lock.Lock()
			defer lock.Unlock()
			if !leads[identity] {
				return fmt.Sprint(leads)
			}
			return ""
		}
	}
	stopA, endA := run(b.ctx, "a")
	until(b.ctx, "a leads", is("a"))
	stopB, endB := run(b.ctx, "b")
	refused := func() string { // b has looked at the lease while a held it
		if len(b.made(func(c call) bool { return strings.HasSuffix(c.path, "/leases/chair") && c.method == "GET" })) < 3 {
			return "no look"
		}
		return ""
	}
	until(b.ctx, "b looks", refused)
	need(is("b")() != "", "both lead")
	first, err := b.client.CoordinationV1().Leases("default").Get(b.ctx, "chair", metav1.GetOptions{})
	must(err, "get the lease")
	need(*first.Spec.HolderIdentity == "a", "the lease is held by %q", *first.Spec.HolderIdentity)

	stopA()
	<-endA
	until(b.ctx, "b leads", is("b"))
	second, err := b.client.CoordinationV1().Leases("default").Get(b.ctx, "chair", metav1.GetOptions{})
	must(err, "get the lease")
	need(*second.Spec.HolderIdentity == "b" && *second.Spec.LeaseTransitions > *first.Spec.LeaseTransitions && second.UID == first.UID, "lease %+v", second.Spec)
	stopB()
	<-endB
	need(!both, "both led at once")

	// MicroTime is kept to the microsecond.
	precise := metav1.NewMicroTime(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC))
	latest, err := b.client.CoordinationV1().Leases("default").Get(b.ctx, "chair", metav1.GetOptions{})
	must(err, "get the lease")
	latest.Spec.RenewTime = &precise
	kept, err := b.client.CoordinationV1().Leases("default").Update(b.ctx, latest, metav1.UpdateOptions{})
	must(err, "update the lease")
	need(kept.Spec.RenewTime.Equal(&precise), "renewTime is %s", kept.Spec.RenewTime)
}
