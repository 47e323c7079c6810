output "endpoint" {
  description = "Address of the running application."
  value       = "http://${aws_lb.this.dns_name}"

  # No address before the application behind it runs as asked.
  depends_on = [aws_ecs_service.this, aws_security_group_rule.callers]
}

output "load_balancer_arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "target_group_arn" {
  description = "ARN of the target group, whose target health shows whether tasks answer."
  value       = aws_lb_target_group.this.arn
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "task_definition_arn" {
  description = "ARN of the running task definition, revision included."
  value       = aws_ecs_service.this.task_definition
}

output "log_group_name" {
  description = "Name of the log group with the application's output."
  value       = aws_cloudwatch_log_group.this.name
}

output "berth_checks" {
  description = "What has to answer before Berth calls the environment deployed; see the template's README."
  value = [{
    name            = "endpoint"
    type            = "http"
    url             = "http://${aws_lb.this.dns_name}${var.health_check_path}"
    expect          = "200-399"
    timeout_seconds = 60
  }]

  depends_on = [aws_ecs_service.this, aws_security_group_rule.callers]
}
