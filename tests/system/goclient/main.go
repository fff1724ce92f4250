// Checks of ordinald's API with client-go: what controllers are made of. Each check is a subcommand that runs against a fresh
// daemon and ends with exit code 0, or with one line on stderr that says what was wrong.
//
//	goclient -server URL [-watchlist] CHECK
//
// A check that needs the daemon to be killed and started again prints "restart" and waits for a line on its input.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const deadline = 60 * time.Second

// A call is what went over the wire for one request: the proof of how a client asked.
type call struct {
	method, path string
	query        url.Values
	status       int
	expired      bool // a watch that was told 410 in its stream
}

func (c call) isWatch() bool { return c.query.Get("watch") == "true" || c.query.Get("watch") == "1" }

// A bench holds what every check needs: a client, and the record of its requests.
type bench struct {
	ctx       context.Context
	config    *rest.Config
	client    *kubernetes.Clientset
	watchList bool // this version asks for watch-lists
	input     *bufio.Reader

	lock    sync.Mutex
	calls   []*call
	offline bool
}

type recorder struct {
	b    *bench
	next http.RoundTripper
}

func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.b.lock.Lock()
	offline := r.b.offline
	r.b.lock.Unlock()
	if offline {
		return nil, errOffline
	}
	response, err := r.next.RoundTrip(request)
	if err == nil {
		made := &call{method: request.Method, path: request.URL.Path, query: request.URL.Query(), status: response.StatusCode}
		r.b.lock.Lock()
		r.b.calls = append(r.b.calls, made)
		r.b.lock.Unlock()
		if made.isWatch() {
			response.Body = &stream{response.Body, r.b, made}
		}
	}
	return response, err
}

// A stream looks for the event that ends a watch whose version is too old.
type stream struct {
	io.ReadCloser
	b    *bench
	made *call
}

func (s *stream) Read(into []byte) (int, error) {
	n, err := s.ReadCloser.Read(into)
	if bytes.Contains(into[:n], []byte(`"reason":"Expired","code":410`)) {
		s.b.lock.Lock()
		s.made.expired = true
		s.b.lock.Unlock()
	}
	return n, err
}

// made gives the requests so far that fit.
func (b *bench) made(fits func(call) bool) []call {
	b.lock.Lock()
	defer b.lock.Unlock()
	var out []call
	for _, c := range b.calls {
		if fits(*c) {
			out = append(out, *c)
		}
	}
	return out
}

func (b *bench) forget() {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.calls = nil
}

// setOffline cuts the clients off: their requests fail as if nobody listened.
func (b *bench) setOffline(offline bool) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.offline = offline
}

// sideDoor gives a client that is never cut off nor recorded.
func (b *bench) sideDoor() *kubernetes.Clientset {
	config := rest.CopyConfig(b.config)
	config.WrapTransport = nil
	return kubernetes.NewForConfigOrDie(config)
}

// fresh gives a second client that shares nothing with the first but the record.
func (b *bench) fresh() *kubernetes.Clientset {
	return kubernetes.NewForConfigOrDie(rest.CopyConfig(b.config))
}

// restart asks whoever runs this program to kill the daemon and to start it again.
func (b *bench) restart() {
	fmt.Println("restart")
	if _, err := b.input.ReadString('\n'); err != nil {
		fail("nobody restarted the daemon: %v", err)
	}
}

type failure struct{ text string }

func fail(format string, arguments ...any) { panic(failure{fmt.Sprintf(format, arguments...)}) }

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func need(holds bool, format string, arguments ...any) {
	if !holds {
		fail(format, arguments...)
	}
}

// until polls until holds() says nothing more is wrong; the last complaint is the failure.
func until(ctx context.Context, what string, wrong func() string) {
	complaint := ""
	err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, deadline, true, func(context.Context) (bool, error) {
		complaint = wrong()
		return complaint == "", nil
	})
	if err != nil {
		fail("never came true: %s: %s", what, complaint)
	}
}

var checks = map[string]func(*bench){
	"discovery": discoveryAndMapper,
	"objects":   typedObjects,
	"conflicts": conflictsAreRetried,
	"pages":     pages,
	"dynamic":   dynamicAndMetadata,
	"protobuf":  protobufBodies,
	"informers": informersFollow,
	"watches":   retryWatcher,
	"queue":     controllerWithQueue,
	"events":    eventRecorders,
	"leader":    leaderElection,
}

func main() {
	server := flag.String("server", "", "URL of the API")
	watchList := flag.Bool("watchlist", false, "informers of this version are expected to ask for watch-lists")
	flag.Parse()
	check := checks[flag.Arg(0)]
	if check == nil {
		fmt.Fprintln(os.Stderr, "no such check:", flag.Arg(0))
		os.Exit(2)
	}
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			fmt.Fprintln(os.Stderr, strings.TrimSpace(f.text))
			os.Exit(1)
		default:
			panic(f)
		}
	}()

	ctx, cancel := context.WithTimeout(context.Background(), 4*deadline)
	defer cancel()
	b := &bench{ctx: ctx, watchList: *watchList, input: bufio.NewReader(os.Stdin)}
	b.config = &rest.Config{Host: *server, QPS: -1, UserAgent: "goclient",
		ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return recorder{b, next} }}
	b.client = kubernetes.NewForConfigOrDie(b.config)
	check(b)
}
