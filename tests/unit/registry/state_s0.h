/* tests/unit/registry/state_s0.h - the objects of state S0, which must be accepted as they are. */
#pragma once

#include "controller/store/kind.h"

static const struct {
    enum kind_id kind;
    const char *ns, *json;
} state_s0[] = {
    {KIND_NAMESPACE, "", "{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"default\"}}"},
    {KIND_NAMESPACE, "", "{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"kube-system\"}}"},
    {KIND_NAMESPACE, "", "{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"prod\"}}"},
    {KIND_NAMESPACE, "", "{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"empty\"}}"},
    {KIND_SERVICE, "default",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\"},"
     "\"spec\":{\"clusterIP\":\"10.96.0.1\",\"clusterIPs\":[\"10.96.0.1\"],\"ports\":[{\"name\":"
     "\"https\",\"port\":443,\"protocol\":\"TCP\",\"targetPort\":6443}]}}"},
    {KIND_SERVICE, "kube-system",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"kube-dns\",\"namespace\":\"kube-system\"},"
     "\"spec\":{\"clusterIP\":\"10.96.0.10\",\"clusterIPs\":[\"10.96.0.10\"],\"ports\":[{\"name\":"
     "\"dns\",\"port\":53,\"protocol\":\"UDP\"},{\"name\":\"dns-tcp\",\"port\":53,\"protocol\":"
     "\"TCP\"},{\"name\":\"metrics\",\"port\":9153,\"protocol\":\"TCP\"}]}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"api\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"10.96.10.20\",\"clusterIPs\":[\"10.96.10.20\"],\"ports\":[{\"name\":\"http\","
     "\"port\":80,\"protocol\":\"TCP\",\"targetPort\":8080},{\"name\":\"grpc\",\"port\":9090,"
     "\"protocol\":\"TCP\"}]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"api-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"api\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":"
     "8080,\"protocol\":\"TCP\"},{\"name\":\"grpc\",\"port\":9090,\"protocol\":\"TCP\"}],"
     "\"endpoints\":[{\"addresses\":[\"10.244.1.10\"],\"conditions\":{\"ready\":true}},{"
     "\"addresses\":[\"10.244.1.11\"],\"conditions\":{\"ready\":true}}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"dual\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"10.96.10.30\",\"clusterIPs\":[\"10.96.10.30\",\"fd00:96::30\"],\"ports\":[{"
     "\"name\":\"web\",\"port\":8080,\"protocol\":\"TCP\"}]}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"six\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"fd00:96::66\",\"clusterIPs\":[\"fd00:96::66\"],\"ports\":[{\"name\":\"web\","
     "\"port\":80,\"protocol\":\"TCP\"}]}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"raw\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"10.96.10.40\",\"clusterIPs\":[\"10.96.10.40\"],\"ports\":[{\"port\":5432,"
     "\"protocol\":\"TCP\"}]}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"idle\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"10.96.10.50\",\"clusterIPs\":[\"10.96.10.50\"],\"ports\":[{\"name\":\"http\","
     "\"port\":80,\"protocol\":\"TCP\"}]}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"db\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"pg\",\"port\":5432,"
     "\"protocol\":\"TCP\",\"targetPort\":15432}]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"db-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"db\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"pg\",\"port\":15432,"
     "\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"10.244.2.10\"],\"hostname\":\"db-0\","
     "\"conditions\":{\"ready\":true}},{\"addresses\":[\"10.244.2.11\"],\"hostname\":\"db-1\","
     "\"conditions\":{\"ready\":true}},{\"addresses\":[\"10.244.2.12\"],\"hostname\":\"db-2\","
     "\"conditions\":{\"ready\":false,\"serving\":false,\"terminating\":false}}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"db-peers\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"publishNotReadyAddresses\":true,\"ports\":"
     "[{\"name\":\"pg\",\"port\":5432,\"protocol\":\"TCP\"}]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"db-peers-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"db-peers\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"pg\",\"port\":"
     "5432,\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"10.244.2.10\"],\"conditions\":{"
     "\"ready\":true}},{\"addresses\":[\"10.244.2.11\"],\"conditions\":{\"ready\":true}},{"
     "\"addresses\":[\"10.244.2.12\"],\"conditions\":{\"ready\":true,\"serving\":false}}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"ring\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"gossip\",\"port\":"
     "7946,\"protocol\":\"TCP\"},{\"name\":\"gossip-udp\",\"port\":7946,\"protocol\":\"UDP\"}]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"ring-4\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"ring\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"gossip\",\"port\":"
     "7946,\"protocol\":\"TCP\"},{\"name\":\"gossip-udp\",\"port\":7946,\"protocol\":\"UDP\"}],"
     "\"endpoints\":[{\"addresses\":[\"10.244.3.10\"],\"hostname\":\"ring-0\",\"conditions\":{"
     "\"ready\":true}},{\"addresses\":[\"10.244.3.11\"],\"hostname\":\"ring-1\",\"conditions\":{"
     "\"ready\":true}}]}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"ring-6\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"ring\"}},\"addressType\":\"IPv6\",\"ports\":[{\"name\":\"gossip\",\"port\":"
     "7946,\"protocol\":\"TCP\"},{\"name\":\"gossip-udp\",\"port\":7946,\"protocol\":\"UDP\"}],"
     "\"endpoints\":[{\"addresses\":[\"fd00:244:3::10\"],\"hostname\":\"ring-0\",\"conditions\":{"
     "\"ready\":true}},{\"addresses\":[\"fd00:244:3::11\"],\"hostname\":\"ring-1\",\"conditions\":{"
     "\"ready\":true}}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"bare\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"bare-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"bare\"}},\"addressType\":\"IPv4\",\"ports\":[],\"endpoints\":[{"
     "\"addresses\":[\"10.244.4.10\"]}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"none\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"http\",\"port\":80,"
     "\"protocol\":\"TCP\"}]}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"manual\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"amqp\",\"port\":5672,"
     "\"protocol\":\"TCP\"}]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"manual-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"manual\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"amqp\",\"port\":"
     "5672,\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"10.244.5.10\"],\"hostname\":\"m-"
     "a\",\"conditions\":{\"ready\":true}},{\"addresses\":[\"10.244.5.11\"]},{\"addresses\":[\"10."
     "244.5.12\"],\"hostname\":\"m-gone\",\"conditions\":{\"ready\":false,\"serving\":true,"
     "\"terminating\":true}}]}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"manual-2\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"manual\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"amqp\",\"port\":"
     "5672,\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"10.244.5.10\"],\"hostname\":\"m-"
     "a\",\"conditions\":{\"ready\":true}}]}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"manual-6\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"manual\"}},\"addressType\":\"IPv6\",\"ports\":[{\"name\":\"amqp\",\"port\":"
     "5672,\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"fd00:5:1:1:1:1::\"],"
     "\"conditions\":{\"ready\":true}}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"twins\",\"namespace\":\"prod\"},\"spec\":{"
     "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"http\",\"port\":80,"
     "\"protocol\":\"TCP\"}]}}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"twins-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"twins\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":"
     "80,\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"10.244.6.1\"],\"hostname\":"
     "\"twin\",\"conditions\":{\"ready\":true}},{\"addresses\":[\"10.244.6.2\"],\"hostname\":"
     "\"twin\",\"conditions\":{\"ready\":true}}]}"},
    {KIND_SLICE, "prod",
     "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"stray-1\",\"namespace\":\"prod\","
     "\"labels\":{\"kubernetes.io/"
     "service-name\":\"deleted\"}},\"addressType\":\"IPv4\",\"ports\":[],\"endpoints\":[{"
     "\"addresses\":[\"10.244.7.1\"],\"hostname\":\"stray\",\"conditions\":{\"ready\":true}}]}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"ext\",\"namespace\":\"prod\"},\"spec\":{"
     "\"type\":\"ExternalName\",\"externalName\":\"www.example.com\"}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"ext-in\",\"namespace\":\"prod\"},\"spec\":{"
     "\"type\":\"ExternalName\",\"externalName\":\"api.prod.svc.cluster.local\"}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"ext-dead\",\"namespace\":\"prod\"},\"spec\":{"
     "\"type\":\"ExternalName\",\"externalName\":\"gone.prod.svc.cluster.local\"}}"},
    {KIND_SERVICE, "prod",
     "{\"kind\":\"Service\",\"metadata\":{\"name\":\"ext-ip\",\"namespace\":\"prod\"},\"spec\":{"
     "\"type\":\"ExternalName\",\"externalName\":\"192.0.2.7\"}}"},
    {KIND_POD, "prod",
     "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"api-x\",\"namespace\":\"prod\"},\"status\":{"
     "\"phase\":\"Running\",\"podIP\":\"10.244.1.10\",\"podIPs\":[{\"ip\":\"10.244.1.10\"}]},"
     "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
    {KIND_POD, "prod",
     "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"ring-0\",\"namespace\":\"prod\"},\"status\":{"
     "\"phase\":\"Running\",\"podIP\":\"10.244.3.10\",\"podIPs\":[{\"ip\":\"10.244.3.10\"},{\"ip\":"
     "\"fd00:244:3::10\"}]},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
    {KIND_POD, "prod",
     "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"job-x\",\"namespace\":\"prod\"},\"status\":{"
     "\"phase\":\"Succeeded\",\"podIP\":\"10.244.1.99\",\"podIPs\":[{\"ip\":\"10.244.1.99\"}]},"
     "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
};
