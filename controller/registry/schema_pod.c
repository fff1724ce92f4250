/* controller/registry/schema_pod.c - the fields of PodSpec, PodStatus and everything below them. */
#include "controller/registry/schema_table.h"

#include <stddef.h>

/* ---- small things ---- */

const struct field schema_toleration[] = {
    F_TEXT("key"),    F_TEXT("operator"),           F_TEXT("value"),
    F_TEXT("effect"), F_INT64("tolerationSeconds"), F_END};

static const struct field key_selector[] = {F_STR("name"), F_STR("key"), F_BOOL("optional"), F_END};
static const struct field field_ref[] = {F_STR("apiVersion"), F_STR("fieldPath"), F_END};
static const struct field resource_ref[] = {F_STR("containerName"), F_STR("resource"),
                                            F_ONE("divisor", FIELD_QUANTITY), F_END};
static const struct field file_key_ref[] = {F_STR("volumeName"), F_STR("path"), F_STR("key"),
                                            F_BOOL("optional"), F_END};
static const struct field optional_ref[] = {F_STR("name"), F_BOOL("optional"), F_END};

/* ---- selectors of nodes ---- */

static const struct field node_requirement[] = {F_STR("key"), F_STR("operator"), F_STRS("values"),
                                                F_END};
static const struct field node_term[] = {F_OBJS("matchExpressions", node_requirement),
                                         F_OBJS("matchFields", node_requirement), F_END};
const struct field schema_node_selector[] = {F_OBJS("nodeSelectorTerms", node_term), F_END};
static const struct field preferred_node[] = {F_INT("weight"), F_OBJ("preference", node_term),
                                              F_END};
static const struct field node_affinity[] = {
    F_OBJ("requiredDuringSchedulingIgnoredDuringExecution", schema_node_selector),
    F_OBJS("preferredDuringSchedulingIgnoredDuringExecution", preferred_node), F_END};
static const struct field pod_term[] = {F_OBJ("labelSelector", schema_selector),
                                        F_STRS("namespaces"),
                                        F_STR("topologyKey"),
                                        F_OBJ("namespaceSelector", schema_selector),
                                        F_STRS("matchLabelKeys"),
                                        F_STRS("mismatchLabelKeys"),
                                        F_END};
static const struct field preferred_pod[] = {F_INT("weight"), F_OBJ("podAffinityTerm", pod_term),
                                             F_END};
static const struct field pod_affinity[] = {
    F_OBJS("requiredDuringSchedulingIgnoredDuringExecution", pod_term),
    F_OBJS("preferredDuringSchedulingIgnoredDuringExecution", preferred_pod), F_END};
static const struct field affinity[] = {F_OBJ("nodeAffinity", node_affinity),
                                        F_OBJ("podAffinity", pod_affinity),
                                        F_OBJ("podAntiAffinity", pod_affinity), F_END};
static const struct field spread[] = {F_INT("maxSkew"),
                                      F_STR("topologyKey"),
                                      F_STR("whenUnsatisfiable"),
                                      F_OBJ("labelSelector", schema_selector),
                                      F_INT("minDomains"),
                                      F_STR("nodeAffinityPolicy"),
                                      F_STR("nodeTaintsPolicy"),
                                      F_STRS("matchLabelKeys"),
                                      F_END};

/* ---- security ---- */

static const struct field selinux[] = {F_STR("user"), F_STR("role"), F_STR("type"), F_STR("level"),
                                       F_END};
static const struct field windows[] = {F_STR("gmsaCredentialSpecName"), F_STR("gmsaCredentialSpec"),
                                       F_STR("runAsUserName"), F_BOOL("hostProcess"), F_END};
static const struct field profile[] = {F_STR("type"), F_STR("localhostProfile"), F_END};
static const struct field capabilities[] = {F_STRS("add"), F_STRS("drop"), F_END};
static const struct field name_value[] = {F_STR("name"), F_STR("value"), F_END};
static const struct field pod_security[] = {F_OBJ("seLinuxOptions", selinux),
                                            F_OBJ("windowsOptions", windows),
                                            F_INT64("runAsUser"),
                                            F_INT64("runAsGroup"),
                                            F_BOOL("runAsNonRoot"),
                                            F_LIST("supplementalGroups", FIELD_INT64),
                                            F_STR("supplementalGroupsPolicy"),
                                            F_INT64("fsGroup"),
                                            F_OBJS("sysctls", name_value),
                                            F_STR("fsGroupChangePolicy"),
                                            F_OBJ("seccompProfile", profile),
                                            F_OBJ("appArmorProfile", profile),
                                            F_STR("seLinuxChangePolicy"),
                                            F_END};
static const struct field container_security[] = {F_OBJ("capabilities", capabilities),
                                                  F_BOOL("privileged"),
                                                  F_OBJ("seLinuxOptions", selinux),
                                                  F_OBJ("windowsOptions", windows),
                                                  F_INT64("runAsUser"),
                                                  F_INT64("runAsGroup"),
                                                  F_BOOL("runAsNonRoot"),
                                                  F_BOOL("readOnlyRootFilesystem"),
                                                  F_BOOL("allowPrivilegeEscalation"),
                                                  F_STR("procMount"),
                                                  F_OBJ("seccompProfile", profile),
                                                  F_OBJ("appArmorProfile", profile),
                                                  F_END};

/* ---- containers ---- */

static const struct field env_source[] = {
    F_OBJ("fieldRef", field_ref),           F_OBJ("resourceFieldRef", resource_ref),
    F_OBJ("configMapKeyRef", key_selector), F_OBJ("secretKeyRef", key_selector),
    F_OBJ("fileKeyRef", file_key_ref),      F_END};
static const struct field env[] = {F_STR("name"), F_TEXT("value"), F_OBJ("valueFrom", env_source),
                                   F_END};
static const struct field env_from[] = {F_TEXT("prefix"), F_OBJ("configMapRef", optional_ref),
                                        F_OBJ("secretRef", optional_ref), F_END};
static const struct field container_port[] = {F_TEXT("name"),         F_NUMBER("hostPort"),
                                              F_INT("containerPort"), F_STR("protocol"),
                                              F_TEXT("hostIP"),       F_END};
static const struct field container_claim[] = {F_STR("name"), F_STR("request"), F_END};
static const struct field resources[] = {F_AMOUNTS("limits"), F_AMOUNTS("requests"),
                                         F_OBJS("claims", container_claim), F_END};
static const struct field mount[] = {
    F_STR("name"),     F_FLAG("readOnly"),        F_STR("recursiveReadOnly"), F_STR("mountPath"),
    F_TEXT("subPath"), F_STR("mountPropagation"), F_TEXT("subPathExpr"),      F_END};
static const struct field device[] = {F_STR("name"), F_STR("devicePath"), F_END};
static const struct field exec_action[] = {F_STRS("command"), F_END};
static const struct field http_header[] = {F_STR("name"), F_STR("value"), F_END};
static const struct field http_get[] = {
    F_TEXT("path"),  F_ONE("port", FIELD_INT_OR_STRING), F_TEXT("host"),
    F_STR("scheme"), F_OBJS("httpHeaders", http_header), F_END};
static const struct field tcp_socket[] = {F_ONE("port", FIELD_INT_OR_STRING), F_TEXT("host"),
                                          F_END};
static const struct field grpc[] = {F_INT("port"), F_STR("service"), F_END};
static const struct field sleep_action[] = {F_INT64("seconds"), F_END};
static const struct field probe[] = {F_OBJ("exec", exec_action),
                                     F_OBJ("httpGet", http_get),
                                     F_OBJ("tcpSocket", tcp_socket),
                                     F_OBJ("grpc", grpc),
                                     F_NUMBER("initialDelaySeconds"),
                                     F_INT("timeoutSeconds"),
                                     F_INT("periodSeconds"),
                                     F_INT("successThreshold"),
                                     F_INT("failureThreshold"),
                                     F_INT64("terminationGracePeriodSeconds"),
                                     F_END};
static const struct field handler[] = {F_OBJ("exec", exec_action), F_OBJ("httpGet", http_get),
                                       F_OBJ("tcpSocket", tcp_socket), F_OBJ("sleep", sleep_action),
                                       F_END};
static const struct field lifecycle[] = {F_OBJ("postStart", handler), F_OBJ("preStop", handler),
                                         F_STR("stopSignal"), F_END};
static const struct field resize_policy[] = {F_STR("resourceName"), F_STR("restartPolicy"), F_END};
static const struct field exit_codes[] = {F_STR("operator"), F_LIST("values", FIELD_INT32), F_END};
static const struct field restart_rule[] = {F_STR("action"), F_OBJ("exitCodes", exit_codes), F_END};

#define CONTAINER_FIELDS                                                                           \
    F_STR("name"), F_TEXT("image"), F_STRS("command"), F_STRS("args"), F_TEXT("workingDir"),       \
        F_BY("ports", container_port, "containerPort"), F_OBJS("envFrom", env_from),               \
        F_BY("env", env, "name"), F_OBJ("resources", resources),                                   \
        F_OBJS("resizePolicy", resize_policy), F_STR("restartPolicy"),                             \
        F_OBJS("restartPolicyRules", restart_rule), F_BY("volumeMounts", mount, "mountPath"),      \
        F_BY("volumeDevices", device, "devicePath"), F_OBJ("livenessProbe", probe),                \
        F_OBJ("readinessProbe", probe), F_OBJ("startupProbe", probe),                              \
        F_OBJ("lifecycle", lifecycle), F_STR("terminationMessagePath"),                            \
        F_STR("terminationMessagePolicy"), F_STR("imagePullPolicy"),                               \
        F_OBJ("securityContext", container_security), F_FLAG("stdin"), F_FLAG("stdinOnce"),        \
        F_FLAG("tty")
static const struct field container[] = {CONTAINER_FIELDS, F_END};
static const struct field ephemeral_container[] = {CONTAINER_FIELDS, F_STR("targetContainerName"),
                                                   F_END};

/* ---- volumes ---- */

static const struct field key_path[] = {F_STR("key"), F_STR("path"), F_INT("mode"), F_END};
static const struct field config_source[] = {F_STR("name"), F_OBJS("items", key_path),
                                             F_INT("defaultMode"), F_BOOL("optional"), F_END};
static const struct field secret_source[] = {F_STR("secretName"), F_OBJS("items", key_path),
                                             F_INT("defaultMode"), F_BOOL("optional"), F_END};
static const struct field projected_config[] = {F_STR("name"), F_OBJS("items", key_path),
                                                F_BOOL("optional"), F_END};
static const struct field downward_file[] = {F_STR("path"), F_OBJ("fieldRef", field_ref),
                                             F_OBJ("resourceFieldRef", resource_ref), F_INT("mode"),
                                             F_END};
static const struct field downward[] = {F_OBJS("items", downward_file), F_INT("defaultMode"),
                                        F_END};
static const struct field token[] = {F_STR("audience"), F_INT64("expirationSeconds"), F_STR("path"),
                                     F_END};
static const struct field trust_bundle[] = {
    F_STR("name"),      F_STR("signerName"), F_OBJ("labelSelector", schema_selector),
    F_BOOL("optional"), F_STR("path"),       F_END};
static const struct field pod_certificate[] = {F_STR("signerName"),
                                               F_STR("keyType"),
                                               F_INT("maxExpirationSeconds"),
                                               F_STR("credentialBundlePath"),
                                               F_STR("keyPath"),
                                               F_STR("certificateChainPath"),
                                               F_STRMAP("userAnnotations"),
                                               F_END};
static const struct field projection[] = {F_OBJ("secret", projected_config),
                                          F_OBJ("downwardAPI", downward),
                                          F_OBJ("configMap", projected_config),
                                          F_OBJ("serviceAccountToken", token),
                                          F_OBJ("clusterTrustBundle", trust_bundle),
                                          F_OBJ("podCertificate", pod_certificate),
                                          F_END};
static const struct field projected[] = {F_OBJS("sources", projection), F_INT("defaultMode"),
                                         F_END};
static const struct field host_path[] = {F_STR("path"), F_STR("type"), F_END};
static const struct field empty_dir[] = {F_TEXT("medium"), F_ONE("sizeLimit", FIELD_QUANTITY),
                                         F_END};
static const struct field gce_disk[] = {F_STR("pdName"), F_STR("fsType"), F_INT("partition"),
                                        F_BOOL("readOnly"), F_END};
static const struct field aws_disk[] = {F_STR("volumeID"), F_STR("fsType"), F_INT("partition"),
                                        F_BOOL("readOnly"), F_END};
static const struct field git_repo[] = {F_STR("repository"), F_STR("revision"), F_STR("directory"),
                                        F_END};
static const struct field nfs[] = {F_STR("server"), F_STR("path"), F_FLAG("readOnly"), F_END};
static const struct field iscsi[] = {F_STR("targetPortal"),
                                     F_STR("iqn"),
                                     F_INT("lun"),
                                     F_STR("iscsiInterface"),
                                     F_STR("fsType"),
                                     F_BOOL("readOnly"),
                                     F_STRS("portals"),
                                     F_BOOL("chapAuthDiscovery"),
                                     F_BOOL("chapAuthSession"),
                                     F_OBJ("secretRef", schema_local_reference),
                                     F_STR("initiatorName"),
                                     F_END};
static const struct field glusterfs[] = {F_STR("endpoints"), F_STR("path"), F_BOOL("readOnly"),
                                         F_END};
static const struct field claim_source[] = {F_STR("claimName"), F_FLAG("readOnly"), F_END};
static const struct field rbd[] = {F_STRS("monitors"),
                                   F_STR("image"),
                                   F_STR("fsType"),
                                   F_STR("pool"),
                                   F_STR("user"),
                                   F_STR("keyring"),
                                   F_OBJ("secretRef", schema_local_reference),
                                   F_BOOL("readOnly"),
                                   F_END};
static const struct field flex[] = {
    F_STR("driver"),    F_STR("fsType"),     F_OBJ("secretRef", schema_local_reference),
    F_BOOL("readOnly"), F_STRMAP("options"), F_END};
static const struct field cinder[] = {F_STR("volumeID"), F_STR("fsType"), F_BOOL("readOnly"),
                                      F_OBJ("secretRef", schema_local_reference), F_END};
static const struct field cephfs[] = {F_STRS("monitors"),
                                      F_STR("path"),
                                      F_STR("user"),
                                      F_STR("secretFile"),
                                      F_OBJ("secretRef", schema_local_reference),
                                      F_BOOL("readOnly"),
                                      F_END};
static const struct field flocker[] = {F_STR("datasetName"), F_STR("datasetUUID"), F_END};
static const struct field fibre_channel[] = {F_STRS("targetWWNs"), F_INT("lun"),    F_STR("fsType"),
                                             F_BOOL("readOnly"),   F_STRS("wwids"), F_END};
static const struct field azure_file[] = {F_STR("secretName"), F_STR("shareName"),
                                          F_BOOL("readOnly"), F_END};
static const struct field azure_disk[] = {F_STR("diskName"),
                                          F_STR("diskURI"),
                                          F_STR("cachingMode"),
                                          F_STR("fsType"),
                                          F_BOOL("readOnly"),
                                          F_STR("kind"),
                                          F_END};
static const struct field vsphere[] = {F_STR("volumePath"), F_STR("fsType"),
                                       F_STR("storagePolicyName"), F_STR("storagePolicyID"), F_END};
static const struct field quobyte[] = {F_STR("registry"),
                                       F_STR("volume"),
                                       F_BOOL("readOnly"),
                                       F_STR("user"),
                                       F_STR("group"),
                                       F_STR("tenant"),
                                       F_END};
static const struct field portworx[] = {F_STR("volumeID"), F_STR("fsType"), F_BOOL("readOnly"),
                                        F_END};
static const struct field scale_io[] = {F_STR("gateway"),
                                        F_STR("system"),
                                        F_OBJ("secretRef", schema_local_reference),
                                        F_BOOL("sslEnabled"),
                                        F_STR("protectionDomain"),
                                        F_STR("storagePool"),
                                        F_STR("storageMode"),
                                        F_STR("volumeName"),
                                        F_STR("fsType"),
                                        F_BOOL("readOnly"),
                                        F_END};
static const struct field storage_os[] = {F_STR("volumeName"),
                                          F_STR("volumeNamespace"),
                                          F_STR("fsType"),
                                          F_BOOL("readOnly"),
                                          F_OBJ("secretRef", schema_local_reference),
                                          F_END};
static const struct field csi[] = {F_STR("driver"),
                                   F_BOOL("readOnly"),
                                   F_STR("fsType"),
                                   F_STRMAP("volumeAttributes"),
                                   F_OBJ("nodePublishSecretRef", schema_local_reference),
                                   F_END};
static const struct field claim_template[] = {F_OBJ("metadata", schema_meta),
                                              F_OBJ("spec", schema_claim_spec), F_END};
static const struct field ephemeral[] = {F_OBJ("volumeClaimTemplate", claim_template), F_END};
static const struct field image_source[] = {F_STR("reference"), F_STR("pullPolicy"), F_END};
static const struct field volume[] = {F_STR("name"),
                                      F_OBJ("hostPath", host_path),
                                      F_OBJ("emptyDir", empty_dir),
                                      F_OBJ("gcePersistentDisk", gce_disk),
                                      F_OBJ("awsElasticBlockStore", aws_disk),
                                      F_OBJ("gitRepo", git_repo),
                                      F_OBJ("secret", secret_source),
                                      F_OBJ("nfs", nfs),
                                      F_OBJ("iscsi", iscsi),
                                      F_OBJ("glusterfs", glusterfs),
                                      F_OBJ("persistentVolumeClaim", claim_source),
                                      F_OBJ("rbd", rbd),
                                      F_OBJ("flexVolume", flex),
                                      F_OBJ("cinder", cinder),
                                      F_OBJ("cephfs", cephfs),
                                      F_OBJ("flocker", flocker),
                                      F_OBJ("downwardAPI", downward),
                                      F_OBJ("fc", fibre_channel),
                                      F_OBJ("azureFile", azure_file),
                                      F_OBJ("configMap", config_source),
                                      F_OBJ("vsphereVolume", vsphere),
                                      F_OBJ("quobyte", quobyte),
                                      F_OBJ("azureDisk", azure_disk),
                                      F_ONE("photonPersistentDisk", FIELD_ANY),
                                      F_OBJ("projected", projected),
                                      F_OBJ("portworxVolume", portworx),
                                      F_OBJ("scaleIO", scale_io),
                                      F_OBJ("storageos", storage_os),
                                      F_OBJ("csi", csi),
                                      F_OBJ("ephemeral", ephemeral),
                                      F_OBJ("image", image_source),
                                      F_END};

/* ---- the pod ---- */

static const struct field host_alias[] = {F_STR("ip"), F_STRS("hostnames"), F_END};
static const struct field dns_option[] = {F_STR("name"), F_STR("value"), F_END};
static const struct field dns_config[] = {F_STRS("nameservers"), F_STRS("searches"),
                                          F_OBJS("options", dns_option), F_END};
static const struct field readiness_gate[] = {F_STR("conditionType"), F_END};
static const struct field scheduling_gate[] = {F_STR("name"), F_END};
static const struct field pod_os[] = {F_STR("name"), F_END};
static const struct field resource_claim[] = {F_STR("name"), F_STR("resourceClaimName"),
                                              F_STR("resourceClaimTemplateName"), F_END};
static const struct field workload_ref[] = {F_STR("name"), F_STR("podGroup"),
                                            F_STR("podGroupReplicaKey"), F_END};
const struct field schema_pod_spec[] = {F_BY("volumes", volume, "name"),
                                        F_BY("initContainers", container, "name"),
                                        F_BY("containers", container, "name"),
                                        F_BY("ephemeralContainers", ephemeral_container, "name"),
                                        F_STR("restartPolicy"),
                                        F_INT64("terminationGracePeriodSeconds"),
                                        F_INT64("activeDeadlineSeconds"),
                                        F_STR("dnsPolicy"),
                                        F_STRMAP("nodeSelector"),
                                        F_TEXT("serviceAccountName"),
                                        F_TEXT("serviceAccount"),
                                        F_BOOL("automountServiceAccountToken"),
                                        F_TEXT("nodeName"),
                                        F_FLAG("hostNetwork"),
                                        F_FLAG("hostPID"),
                                        F_FLAG("hostIPC"),
                                        F_BOOL("shareProcessNamespace"),
                                        F_OBJ("securityContext", pod_security),
                                        F_BY("imagePullSecrets", schema_local_reference, "name"),
                                        F_TEXT("hostname"),
                                        F_TEXT("subdomain"),
                                        F_OBJ("affinity", affinity),
                                        F_STR("schedulerName"),
                                        F_OBJS("tolerations", schema_toleration),
                                        F_BY("hostAliases", host_alias, "ip"),
                                        F_TEXT("priorityClassName"),
                                        F_INT("priority"),
                                        F_OBJ("dnsConfig", dns_config),
                                        F_OBJS("readinessGates", readiness_gate),
                                        F_STR("runtimeClassName"),
                                        F_BOOL("enableServiceLinks"),
                                        F_STR("preemptionPolicy"),
                                        F_AMOUNTS("overhead"),
                                        F_BY("topologySpreadConstraints", spread, "topologyKey"),
                                        F_BOOL("setHostnameAsFQDN"),
                                        F_OBJ("os", pod_os),
                                        F_BOOL("hostUsers"),
                                        F_BY("schedulingGates", scheduling_gate, "name"),
                                        F_BY("resourceClaims", resource_claim, "name"),
                                        F_OBJ("resources", resources),
                                        F_STR("hostnameOverride"),
                                        F_OBJ("workloadRef", workload_ref),
                                        F_END};
const struct field schema_pod_template[] = {F_OBJ("metadata", schema_meta),
                                            F_OBJ("spec", schema_pod_spec), F_END};

/* ---- status ---- */

static const struct field state_waiting[] = {F_STR("reason"), F_STR("message"), F_END};
static const struct field state_running[] = {F_TIME("startedAt"), F_END};
static const struct field state_terminated[] = {
    F_INT("exitCode"),   F_INT("signal"),      F_STR("reason"),      F_STR("message"),
    F_TIME("startedAt"), F_TIME("finishedAt"), F_STR("containerID"), F_END};
static const struct field container_state[] = {F_OBJ("waiting", state_waiting),
                                               F_OBJ("running", state_running),
                                               F_OBJ("terminated", state_terminated), F_END};
static const struct field mount_status[] = {F_STR("name"),
                                            F_STR("mountPath"),
                                            F_BOOL("readOnly"),
                                            F_STR("recursiveReadOnly"),
                                            F_ONE("volumeStatus", FIELD_ANY),
                                            F_END};
static const struct field container_status[] = {F_STR("name"),
                                                F_OBJ("state", container_state),
                                                F_OBJ("lastState", container_state),
                                                F_BOOL("ready"),
                                                F_INT("restartCount"),
                                                F_STR("image"),
                                                F_STR("imageID"),
                                                F_STR("containerID"),
                                                F_BOOL("started"),
                                                F_AMOUNTS("allocatedResources"),
                                                F_OBJ("resources", resources),
                                                F_BY("volumeMounts", mount_status, "mountPath"),
                                                F_ONE("user", FIELD_ANY),
                                                F_LIST("allocatedResourcesStatus", FIELD_ANY),
                                                F_STR("stopSignal"),
                                                F_END};
static const struct field address[] = {F_STR("ip"), F_END};
static const struct field claim_status[] = {F_STR("name"), F_STR("resourceClaimName"), F_END};
const struct field schema_pod_status[] = {F_INT64("observedGeneration"),
                                          F_STR("phase"),
                                          F_BY("conditions", schema_condition, "type"),
                                          F_STR("message"),
                                          F_STR("reason"),
                                          F_STR("nominatedNodeName"),
                                          F_STR("hostIP"),
                                          F_BY("hostIPs", address, "ip"),
                                          F_STR("podIP"),
                                          F_BY("podIPs", address, "ip"),
                                          F_TIME("startTime"),
                                          F_OBJS("initContainerStatuses", container_status),
                                          F_OBJS("containerStatuses", container_status),
                                          F_OBJS("ephemeralContainerStatuses", container_status),
                                          F_STR("qosClass"),
                                          F_STR("resize"),
                                          F_BY("resourceClaimStatuses", claim_status, "name"),
                                          F_ONE("extendedResourceClaimStatus", FIELD_ANY),
                                          F_AMOUNTS("allocatedResources"),
                                          F_OBJ("resources", resources),
                                          F_END};
