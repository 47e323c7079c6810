package ecs

import (
	"context"
	"maps"
	"slices"

	"github.com/berthdev/berth/sandbox/core"
)

// setting is an account setting that was changed from its default.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func defaultSettings() map[string]string {
	return map[string]string{
		"serviceLongArnFormat": "enabled", "taskLongArnFormat": "enabled", "containerInstanceLongArnFormat": "enabled", "awsvpcTrunking": "disabled",
		"containerInsights": "disabled", "fargateFIPSMode": "disabled", "tagResourceAuthorization": "off", "fargateTaskRetirementWaitPeriod": "7",
		"guardDutyActivate": "off", "defaultLogDriverMode": "non-blocking",
	}
}

type settingInput struct {
	Name              string `json:"name"`
	Value             string `json:"value"`
	EffectiveSettings bool   `json:"effectiveSettings"`
}

type settingOutput struct {
	Name         string `json:"name"`
	Value        string `json:"value"`
	PrincipalARN string `json:"principalArn"`
	Type         string `json:"type"`
}

func outputSetting(name, value string) settingOutput {
	return settingOutput{name, value, "arn:aws:iam::" + core.AccountID + ":root", "user"}
}

type oneSetting struct {
	Setting settingOutput `json:"setting"`
}

type settingsOutput struct {
	Settings []settingOutput `json:"settings"`
}

func (s *Service) listAccountSettings(_ context.Context, r *core.Request, in settingInput) (settingsOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (settingsOutput, error) {
		values := map[string]string{}
		if in.EffectiveSettings {
			values = defaultSettings()
		}
		for _, v := range s.settings.List(tx, r.Region) {
			values[v.Name] = v.Value
		}
		out := settingsOutput{Settings: []settingOutput{}}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if (in.Name == "" || in.Name == name) && (in.Value == "" || in.Value == values[name]) {
				out.Settings = append(out.Settings, outputSetting(name, values[name]))
			}
		}
		return out, nil
	})
}

func checkSetting(name string) error {
	if _, ok := defaultSettings()[name]; !ok {
		return invalidParameter("Invalid setting name: %s.", name)
	}
	return nil
}

func (s *Service) putAccountSetting(_ context.Context, r *core.Request, in settingInput) (oneSetting, error) {
	if err := checkSetting(in.Name); err != nil {
		return oneSetting{}, err
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneSetting, error) {
		s.settings.Put(tx, r.Region, in.Name, setting{in.Name, in.Value})
		return oneSetting{outputSetting(in.Name, in.Value)}, nil
	})
}

func (s *Service) deleteAccountSetting(_ context.Context, r *core.Request, in settingInput) (oneSetting, error) {
	if err := checkSetting(in.Name); err != nil {
		return oneSetting{}, err
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneSetting, error) {
		s.settings.Delete(tx, r.Region, in.Name)
		return oneSetting{outputSetting(in.Name, defaultSettings()[in.Name])}, nil
	})
}
