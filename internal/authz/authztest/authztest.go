// Package authztest proves that a service authorises itself. It is for tests only
// and must not know any service.
package authztest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/berthdev/berth/internal/authz"
)

// RefusesAnonymous calls every exported method that takes a context first, with an
// anonymous subject and zero values, and expects authz.ErrUnauthenticated. open
// names the methods that anybody may call, each with the reason.
func RefusesAnonymous(t *testing.T, service any, open map[string]string) {
	t.Helper()
	value := reflect.ValueOf(service)
	contextType := reflect.TypeFor[context.Context]()
	errorType := reflect.TypeFor[error]()
	for i := range value.NumMethod() {
		method, signature := value.Type().Method(i), value.Method(i).Type()
		if signature.NumIn() == 0 || signature.In(0) != contextType {
			continue
		}
		if reason, ok := open[method.Name]; ok {
			if reason == "" {
				t.Errorf("%s is open to everybody without a reason", method.Name)
			}
			delete(open, method.Name)
			continue
		}
		if signature.NumOut() == 0 || signature.Out(signature.NumOut()-1) != errorType {
			t.Errorf("%s returns no error, so it cannot refuse", method.Name)
			continue
		}
		arguments := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 1; j < signature.NumIn(); j++ {
			arguments = append(arguments, reflect.Zero(signature.In(j)))
		}
		call := value.Method(i).Call
		if signature.IsVariadic() {
			call = value.Method(i).CallSlice
		}
		results := call(arguments)
		err, _ := results[len(results)-1].Interface().(error)
		if !errors.Is(err, authz.ErrUnauthenticated) {
			t.Errorf("%s lets an anonymous subject through: %v", method.Name, err)
		}
	}
	for name := range open {
		t.Errorf("%s is listed as open but is no method", name)
	}
}
