// Command faketofu stands in for OpenTofu in tests. See package runnertest for what it can be told.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type object struct {
	Address, Type, ID, Error string
	Values                   map[string]any
	ErrorUnless              string `json:"error_unless"`
	WaitFor                  string `json:"wait_for"`
	HangAfterStart           bool   `json:"hang_after_start"`
	DieAfter                 bool   `json:"die_after"`
	DieDuring                bool   `json:"die_during"`
}

// fails reports whether its creation is to fail.
func (o object) fails() bool {
	if o.ErrorUnless != "" {
		if _, err := os.Stat(o.ErrorUnless); err == nil {
			return false
		}
	}
	return o.Error != ""
}

type script struct {
	Objects        []object
	Outputs        map[string]json.RawMessage
	Sensitive      []string
	Print          []string
	Witness        string
	InitError      string `json:"init_error"`
	FetchError     string `json:"fetch_error"`
	ValidateError  string `json:"validate_error"`
	PlanError      string `json:"plan_error"`
	Refuses        map[string]string
	Providers      map[string]string
	GoneIDs        []string `json:"gone_ids"`
	ImportError    string   `json:"import_error"`
	NoBackendAtEnd bool     `json:"no_backend_at_end"`
}

type program struct {
	script  script
	events  *os.File
	vars    map[string]any
	state   map[string]any
	lockID  string
	stopped chan os.Signal
	ending  bool
	flags   map[string]string
	args    []string
}

func main() {
	p := &program{stopped: make(chan os.Signal, 1), flags: map[string]string{}}
	signal.Notify(p.stopped, os.Interrupt)
	if len(os.Args) > 1 && os.Args[1] == "version" {
		if len(os.Args) > 2 && os.Args[2] == "-json" {
			fmt.Println(`{"terraform_version": "1.12.6", "platform": "linux_amd64", "provider_selections": {}}`)
			return
		}
		fmt.Println("OpenTofu v1.12.6")
		return
	}
	p.parse(os.Args[1:])
	b, err := os.ReadFile("fake.json")
	if errors.Is(err, os.ErrNotExist) && p.publishing() {
		b, err = []byte("{}"), nil // plain code has nothing to be told
	}
	check(err)
	check(json.Unmarshal(b, &p.script))
	if w := p.script.Witness; w != "" && !p.publishing() {
		f, err := os.OpenFile(w, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		check(err)
		fmt.Fprintln(f, strings.Join(os.Args[1:], " "))
		f.Close()
	}
	if f := p.flags["-json-into"]; f != "" {
		p.events, err = os.OpenFile(f, os.O_TRUNC|os.O_WRONLY|os.O_CREATE, 0o600)
		check(err)
	}
	if f := p.flags["-var-file"]; f != "" {
		b, err := os.ReadFile(f)
		check(err)
		check(json.Unmarshal(b, &p.vars))
	}
	switch p.args[0] {
	case "init":
		if p.publishing() {
			p.fetch()
			return
		}
		p.init()
	case "validate":
		p.validate()
	case "apply":
		p.change(true)
	case "plan":
		p.change(false)
	case "show":
		b, err := os.ReadFile(p.args[1])
		check(err)
		os.Stdout.Write(b)
	case "import":
		p.importObject(p.args[1], p.args[2])
	default:
		p.fail("unknown command " + p.args[0])
	}
}

func (p *program) parse(args []string) {
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok && strings.HasPrefix(k, "-") {
			p.flags[k] = v
		} else if strings.HasPrefix(a, "-") {
			p.flags[a] = "true"
		} else {
			p.args = append(p.args, a)
		}
	}
}

// publishing reports whether the command is one that makes a template version, and no step.
func (p *program) publishing() bool {
	return len(p.args) > 0 && (p.args[0] == "validate" || p.args[0] == "init" && p.flags["-backend"] == "false")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "faketofu:", err)
		os.Exit(1)
	}
}

func (p *program) emit(v map[string]any, text string) {
	v["@message"], v["@timestamp"] = text, time.Now().UTC().Format(time.RFC3339Nano)
	b, err := json.Marshal(v)
	check(err)
	if p.flags["-json"] != "" {
		fmt.Println(string(b))
		return
	}
	fmt.Println(text)
	if p.events != nil {
		_, err = p.events.Write(append(b, '\n'))
		check(err)
	}
}

func (p *program) fail(summary string) {
	p.diag(summary, "")
	p.unlock()
	os.Exit(1)
}

func (p *program) diag(summary, address string) {
	d := map[string]any{"severity": "error", "summary": summary, "detail": "", "address": address,
		"range": map[string]any{"filename": "main.tf", "start": map[string]any{"line": 7}}}
	p.emit(map[string]any{"type": "diagnostic", "diagnostic": d}, "Error: "+summary)
}

func (p *program) init() {
	if p.script.InitError != "" {
		p.fail(p.script.InitError)
	}
	for name, content := range p.script.Providers {
		path := filepath.Join(".terraform", "providers", name)
		check(os.MkdirAll(filepath.Dir(path), 0o700))
		check(os.WriteFile(path, []byte(content), 0o600))
	}
	check(os.MkdirAll(".terraform", 0o700))
	check(os.WriteFile(".terraform.lock.hcl", []byte("provider \"registry.opentofu.org/hashicorp/aws\" {\n  version = \"1.0.0\"\n  hashes = [\n    \"h1:x\",\n  ]\n}\n"), 0o600))
}

// fetch is the init that fetches modules and chooses providers; the fake fetches none and needs none.
func (p *program) fetch() {
	if p.script.FetchError != "" {
		p.fail(p.script.FetchError)
	}
	p.emit(map[string]any{"type": "log"}, "OpenTofu has been successfully initialized!")
}

func (p *program) validate() {
	diags := []any{}
	if p.script.ValidateError != "" {
		diags = append(diags, map[string]any{"severity": "error", "summary": p.script.ValidateError,
			"range": map[string]any{"filename": "main.tf", "start": map[string]any{"line": 1}}})
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"format_version": "1.0", "valid": len(diags) == 0,
		"error_count": len(diags), "warning_count": 0, "diagnostics": diags}))
	if len(diags) > 0 {
		os.Exit(1)
	}
}

func (p *program) change(apply bool) {
	for _, n := range append([]string{}, p.script.Print...) {
		for k, v := range p.vars {
			n = strings.ReplaceAll(n, "${var."+k+"}", fmt.Sprint(v))
		}
		fmt.Println(n)
	}
	p.lock()
	p.load()
	for name, text := range p.script.Refuses {
		if fmt.Sprint(p.vars[name]) == text {
			p.fail("Invalid value for variable " + name)
		}
	}
	if p.script.PlanError != "" {
		p.fail(p.script.PlanError)
	}
	_, destroy := p.flags["-destroy"]
	var add, remove []object
	for _, o := range p.script.Objects {
		_, _, have := p.find(o.Address)
		if destroy && have {
			remove = append([]object{o}, remove...)
		}
		if !destroy && !have {
			add = append(add, o)
		}
	}
	for _, o := range add {
		p.emit(map[string]any{"type": "planned_change", "change": hook(o, "create", "")}, o.Address+": Plan to create")
	}
	for _, o := range remove {
		p.emit(map[string]any{"type": "planned_change", "change": hook(o, "delete", "")}, o.Address+": Plan to delete")
	}
	p.summary("plan", len(add), len(remove))
	if !apply {
		p.writePlan(add)
		p.unlock()
		return
	}
	failed := p.do(add, "create")
	failed = p.do(remove, "delete") || failed
	p.setOutputs(destroy)
	p.save(p.script.NoBackendAtEnd)
	if failed {
		for _, o := range add {
			if o.fails() {
				p.diag(o.Error, o.Address)
			}
		}
		p.unlock()
		os.Exit(1)
	}
	op := "apply"
	if destroy {
		op = "destroy"
	}
	p.summary(op, len(add), len(remove))
	p.unlock()
}

func (p *program) setOutputs(destroy bool) {
	outs := map[string]any{}
	for k, v := range p.script.Outputs {
		if destroy {
			continue
		}
		text := string(v)
		for name, value := range p.vars {
			given, err := json.Marshal(value)
			check(err)
			text = strings.ReplaceAll(text, `"${var.`+name+`}"`, string(given))
		}
		outs[k] = map[string]any{"value": json.RawMessage(text), "type": "dynamic", "sensitive": slices.Contains(p.script.Sensitive, k)}
	}
	p.state["outputs"] = outs
}

func hook(o object, action, id string) map[string]any {
	h := map[string]any{"resource": map[string]any{"addr": o.Address, "resource_type": o.Type,
		"resource_name": o.Address[strings.LastIndex(o.Address, ".")+1:], "implied_provider": strings.SplitN(o.Type, "_", 2)[0]},
		"action": action}
	if id != "" {
		h["id_key"], h["id_value"] = "id", id
	}
	return h
}

func (p *program) summary(op string, add, remove int) {
	p.emit(map[string]any{"type": "change_summary", "changes": map[string]any{"add": add, "remove": remove, "operation": op}},
		fmt.Sprintf("%s: %d to add, %d to destroy", op, add, remove))
}

// do works off objects and says whether it did not come to its end.
func (p *program) do(list []object, action string) bool {
	failed := false
	for _, o := range list {
		if p.interrupted() {
			return true
		}
		before := ""
		if action == "delete" {
			_, before, _ = p.find(o.Address)
		}
		p.emit(map[string]any{"type": "apply_start", "hook": hook(o, action, before)}, o.Address+": "+action+"...")
		if o.DieDuring {
			p.die()
		}
		if o.HangAfterStart {
			<-make(chan int)
		}
		for o.WaitFor != "" {
			if _, err := os.Stat(o.WaitFor); err == nil {
				break
			}
			p.interrupted()
			time.Sleep(time.Millisecond)
		}
		if o.fails() && action == "create" {
			p.emit(map[string]any{"type": "apply_errored", "hook": hook(o, action, "")}, o.Address+": errored")
			failed = true
			continue
		}
		if action == "create" {
			p.put(o)
			before = o.ID
		} else {
			p.remove(o.Address)
			before = ""
		}
		p.emit(map[string]any{"type": "apply_complete", "hook": hook(o, action, before)}, o.Address+": "+action+" complete")
		if o.DieAfter {
			p.die()
		}
	}
	return failed
}

func (p *program) interrupted() bool {
	select {
	case <-p.stopped:
		fmt.Println("Interrupt received")
		p.ending = true
	default:
	}
	return p.ending
}

func (p *program) die() {
	check(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	select {}
}

func (p *program) writePlan(add []object) {
	var changes []any
	for _, o := range add {
		after, sensitive := p.attributes(o)
		changes = append(changes, map[string]any{"address": o.Address, "mode": "managed", "type": o.Type,
			"change": map[string]any{"actions": []string{"create"}, "after": after, "after_sensitive": sensitive}})
	}
	vars := map[string]any{}
	for name, v := range p.vars {
		vars[name] = map[string]any{"value": v}
	}
	b, err := json.Marshal(map[string]any{"format_version": "1.2", "resource_changes": changes, "variables": vars})
	check(err)
	if out := p.flags["-out"]; out != "" {
		check(os.WriteFile(out, b, 0o600))
	}
}

// attributes are the values of an object; those that are the value of an input are sensitive, as that of a sensitive input
// would be.
func (p *program) attributes(o object) (values, sensitive map[string]any) {
	values, sensitive = map[string]any{}, map[string]any{}
	for k, v := range o.Values {
		values[k] = v
		name, _ := v.(string)
		if name, ok := strings.CutPrefix(name, "${var."); ok {
			values[k], sensitive[k] = p.vars[strings.TrimSuffix(name, "}")], true
		}
	}
	return values, sensitive
}

func (p *program) importObject(address, id string) {
	p.lock()
	p.load()
	for _, g := range p.script.GoneIDs {
		if g == id {
			p.fail("Cannot import non-existent remote object")
		}
	}
	if p.script.ImportError != "" {
		p.fail(p.script.ImportError)
	}
	if _, _, have := p.find(address); have {
		p.fail("Resource already managed by OpenTofu")
	}
	for _, o := range p.script.Objects {
		if o.Address == address {
			if !strings.ContainsAny(id, "/_") { // a made-up import id is not the object's own
				o.ID = id
			}
			p.put(o)
			p.save(false)
			p.unlock()
			return
		}
	}
	p.fail("Resource address does not exist in the configuration")
}

// State file handling: one instance per block is enough here.

func (p *program) resources() []any {
	r, _ := p.state["resources"].([]any)
	return r
}

func (p *program) find(address string) (int, string, bool) {
	for i, x := range p.resources() {
		m := x.(map[string]any)
		if m["type"].(string)+"."+m["name"].(string) != address {
			continue
		}
		for _, inst := range m["instances"].([]any) {
			im := inst.(map[string]any)
			if im["deposed"] == nil || im["deposed"] == "" {
				return i, im["attributes"].(map[string]any)["id"].(string), true
			}
		}
	}
	return 0, "", false
}

func (p *program) put(o object) {
	attrs, _ := p.attributes(o)
	attrs["id"] = o.ID
	p.state["resources"] = append(p.resources(), map[string]any{"mode": "managed", "type": o.Type,
		"name":      o.Address[strings.LastIndex(o.Address, ".")+1:],
		"provider":  `provider["registry.opentofu.org/hashicorp/aws"]`,
		"instances": []any{map[string]any{"schema_version": 0, "attributes": attrs}}})
}

func (p *program) remove(address string) {
	if i, _, ok := p.find(address); ok {
		r := p.resources()
		p.state["resources"] = append(r[:i:i], r[i+1:]...)
	}
}

func (p *program) request(method, url string, body []byte) (int, []byte) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	check(err)
	req.SetBasicAuth(os.Getenv("TF_HTTP_USERNAME"), os.Getenv("TF_HTTP_PASSWORD"))
	resp, err := http.DefaultClient.Do(req)
	check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(err)
	return resp.StatusCode, b
}

func (p *program) lock() {
	p.lockID = fmt.Sprint(os.Getpid())
	if code, b := p.request("LOCK", os.Getenv("TF_HTTP_LOCK_ADDRESS"), []byte(`{"ID":"`+p.lockID+`"}`)); code != 200 {
		p.lockID = ""
		p.fail("Error acquiring the state lock: " + string(b))
	}
}

func (p *program) unlock() {
	if p.lockID != "" {
		p.request("UNLOCK", os.Getenv("TF_HTTP_UNLOCK_ADDRESS"), []byte(`{"ID":"`+p.lockID+`"}`))
	}
}

func (p *program) load() {
	_, b := p.request("GET", os.Getenv("TF_HTTP_ADDRESS"), nil)
	p.state = map[string]any{"version": 4, "serial": 0, "lineage": "fake", "resources": []any{}}
	if len(b) > 0 {
		check(json.Unmarshal(b, &p.state))
	}
}

func (p *program) save(toFile bool) {
	serial, _ := p.state["serial"].(float64)
	p.state["serial"] = serial + 1
	b, err := json.Marshal(p.state)
	check(err)
	if toFile {
		check(os.WriteFile("errored.tfstate", b, 0o600))
		return
	}
	if code, msg := p.request("POST", os.Getenv("TF_HTTP_ADDRESS")+"?ID="+p.lockID, b); code != 200 {
		p.fail("saving the state: " + string(msg))
	}
}
