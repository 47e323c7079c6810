package sandbox_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"
)

const (
	trust     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allow     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)

func TestRoleLifecycle(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	name := aws.String("task")
	made, err := r.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, Path: aws.String("/berth/"), AssumeRolePolicyDocument: aws.String(trust), MaxSessionDuration: aws.Int32(7200),
		Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:role/berth/task", *made.Role.Arn)
	require.NoError(t, iam.NewRoleExistsWaiter(r.iam).Wait(ctx, &iam.GetRoleInput{RoleName: name}, patience))
	got, err := r.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	require.NoError(t, err)
	document, err := url.QueryUnescape(*got.Role.AssumeRolePolicyDocument)
	require.NoError(t, err)
	require.Equal(t, trust, document, "the document comes back as it was sent")
	require.Equal(t, int32(7200), *got.Role.MaxSessionDuration)
	require.Equal(t, "v", *got.Role.Tags[0].Value)
	_, err = r.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("TASK"), AssumeRolePolicyDocument: aws.String(trust)})
	requireCode(t, err, "EntityAlreadyExists")
	_, err = r.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("other"), AssumeRolePolicyDocument: aws.String("nonsense")})
	requireCode(t, err, "MalformedPolicyDocument")

	_, err = r.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(execution)})
	require.NoError(t, err)
	_, err = r.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/NoSuchPolicy")})
	requireCode(t, err, "NoSuchEntity")
	_, err = r.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("read"), PolicyDocument: aws.String(allow)})
	require.NoError(t, err)
	attached, err := r.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	require.NoError(t, err)
	require.Equal(t, "AmazonECSTaskExecutionRolePolicy", *attached.AttachedPolicies[0].PolicyName)
	profiles, err := r.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name})
	require.NoError(t, err)
	require.Empty(t, profiles.InstanceProfiles)
	require.Equal(t, map[string]int{"iam/role": 1}, r.kinds(t))

	_, err = r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	requireCode(t, err, "DeleteConflict")
	_, err = r.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: aws.String(execution)})
	require.NoError(t, err)
	_, err = r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	requireCode(t, err, "DeleteConflict")
	_, err = r.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("read")})
	require.NoError(t, err)
	_, err = r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	require.NoError(t, err)
	_, err = r.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	requireCode(t, err, "NoSuchEntity")
	require.Empty(t, r.kinds(t))
}

func TestPolicyVersions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	made, err := r.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(allow)})
	require.NoError(t, err)
	arn := made.Policy.Arn
	require.NoError(t, iam.NewPolicyExistsWaiter(r.iam).Wait(ctx, &iam.GetPolicyInput{PolicyArn: arn}, patience))
	for range 4 {
		_, err = r.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(allow), SetAsDefault: true})
		require.NoError(t, err)
	}
	_, err = r.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(allow)})
	requireCode(t, err, "LimitExceeded")
	got, err := r.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	require.NoError(t, err)
	require.Equal(t, "v5", *got.Policy.DefaultVersionId)
	_, err = r.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
	requireCode(t, err, "DeleteConflict")
	_, err = r.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})
	requireCode(t, err, "DeleteConflict")
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		_, err = r.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String(v)})
		require.NoError(t, err)
	}
	_, err = r.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
	require.NoError(t, err)
	require.Empty(t, r.kinds(t), "AWS's own policies are not the owner's to delete")
}

func TestServiceLinkedRole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	made, err := r.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", *made.Role.Arn)
	_, err = r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: made.Role.RoleName})
	requireCode(t, err, "UnmodifiableEntity")
	deleted, err := r.iam.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: made.Role.RoleName})
	require.NoError(t, err)
	status, err := r.iam.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: deleted.DeletionTaskId})
	require.NoError(t, err)
	require.Equal(t, iamtypes.DeletionTaskStatusTypeSucceeded, status.Status)
}

func TestAssumedRoleIsTheCaller(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	me, err := r.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, "000000000000", *me.Account)
	_, err = r.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/none"), RoleSessionName: aws.String("s")})
	requireCode(t, err, "AccessDenied")
	role, err := r.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("deploy"), AssumeRolePolicyDocument: aws.String(trust)})
	require.NoError(t, err)
	assumed, err := r.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("s")})
	require.NoError(t, err)

	cfg := awsConfig(r.URL(), "us-west-2")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*assumed.Credentials.AccessKeyId, *assumed.Credentials.SecretAccessKey, *assumed.Credentials.SessionToken)
	me, err = sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/deploy/s", *me.Arn)
	token, err := r.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	require.NoError(t, err)
	require.NotEmpty(t, *token.Credentials.SessionToken)
}
